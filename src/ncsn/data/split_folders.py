"""Recognises the subfolders that are splits by their names, and refuses unclear names.

Test images that are mistaken for one more class would silently be trained on, so a layout that
only looks like splits is an error.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ncsn.base.errors import UserError

_TRAIN, _TEST = ("train", "training"), ("test", "testing")
_VALIDATION = ("val", "validation")
_TRAIN_PARTS = {*_TRAIN, "trainset"}
_HELD_OUT_PARTS = {*_TEST, *_VALIDATION, "testset", "valid", "dev", "eval", "evaluation"}
_RENAME = "name the splits train/ and test/, and give classes other names"


def split_folders(root: Path, names: Sequence[str]) -> tuple[str, str] | None:
    """Returns the folders of the train and the test split, None where there are only classes.

    `train` or `training` and `test` or `testing` are splits, in upper or lower case.

    Args:
        root: the folder that holds them, for messages.
        names: its subfolders that hold images.

    Raises:
        UserError: one of the two is missing or there twice, a third split lies beside them, or
            folders of other names look like splits.
    """
    train, test = (_named(names, known) for known in (_TRAIN, _TEST))
    for found in (train, test):
        if len(found) > 1:
            raise UserError(f"{root}: {found[0]}/ and {found[1]}/ name the same split; join them")
    others = [name for name in names if name not in (*train, *test) and _is_like_split(name)]
    if train and test:
        if others:
            raise UserError(
                f"{root}: {others[0]}/ beside {train[0]}/ and {test[0]}/ looks like a third "
                "split; move it away, or join it to one of the two"
            )
        return train[0], test[0]
    if train or test:
        hint = f"rename {others[0]}/" if others else "give both train/ and test/, or neither"
        raise UserError(f"{root}: has {(train or test)[0]}/ only; {hint}{_wanted(train, others)}")
    if _is_pair(names):
        raise UserError(f"{root}: {', '.join(_marked(names))} look like splits; {_RENAME}")
    return None


def refuse_inner_splits(root: Path, folders: Sequence[str]) -> None:
    """Raises a UserError for splits inside a class, whose test images would be trained on.

    Args:
        root: the folder that holds the classes.
        folders: names below it of folders inside classes, at any depth.

    Raises:
        UserError: some of them look like splits.
    """
    inside: dict[str, list[str]] = {}
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        inside.setdefault(parent, []).append(name)
    for parent, names in inside.items():
        found = _named(names, (*_TRAIN, *_TEST, *_VALIDATION))
        if found or _is_pair(names):
            first = (found or names)[0]
            raise UserError(
                f"{root / parent / first}: looks like a split inside the class {parent}/; give "
                f"data.path {root / parent} if that is no class, or {_RENAME}"
            )


def _wanted(train: Sequence[str], others: Sequence[str]) -> str:
    if not others:
        return ""
    return " to test/ to hold its images out" if train else " to train/"


def _named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    return [name for name in names if name.casefold() in known]


def _marked(names: Sequence[str]) -> list[str]:
    return [f"{name}/" for name in names if _is_like_split(name)]


def _is_like_split(name: str) -> bool:
    return bool(_name_parts(name) & (_TRAIN_PARTS | _HELD_OUT_PARTS))


def _is_pair(names: Sequence[str]) -> bool:
    """Whether one name stands for training and another for held-out images."""
    return any(_name_parts(name) & _TRAIN_PARTS for name in names) and any(
        _name_parts(name) & _HELD_OUT_PARTS for name in names
    )


def _name_parts(name: str) -> set[str]:
    """The words in a name, in lower case: `seg_train`, `trainA` and `TrainSet2` have `train`."""
    return {word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
