"""Which subfolders are splits: told by their names, refused where the names leave it open.

Test images that are taken for one more class are trained on without a word, so that a layout
that only looks like splits is an error.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ncsn.base.errors import UserError

_TRAIN, _TEST = ("train", "training"), ("test", "testing")
_VALIDATION = ("val", "validation")
_TRAIN_WORDS = {*_TRAIN, "trainset"}
_HELD_OUT_WORDS = {*_TEST, *_VALIDATION, "testset", "valid", "dev", "eval", "evaluation"}
_RENAME = "name the splits train/ and test/; what are classes needs other names"


def split_folders(root: Path, names: Sequence[str]) -> tuple[str, str] | None:
    """Returns the folders of the train and the test split, None where there are only classes.

    `train` or `training` and `test` or `testing` are splits, in capitals or not.

    Args:
        root: the folder that holds them, for messages.
        names: folders in it that hold images.

    Raises:
        UserError: one of the two is missing or there twice, there is a third split beside them,
            or folders look like splits by other names.
    """
    train, test = (_named(names, known) for known in (_TRAIN, _TEST))
    for found in (train, test):
        if len(found) > 1:
            raise UserError(f"{root}: {found[0]}/ and {found[1]}/ name the same split; join them")
    others = [name for name in names if name not in (*train, *test) and _looks(name)]
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
    """Refuses splits inside a class, whose test images would be trained on.

    Args:
        root: the folder that holds the classes.
        folders: names below it, at any depth, of folders inside of classes.

    Raises:
        UserError: some look like splits.
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
                f"data.path {root / parent} if that is no class, else {_RENAME}"
            )


def _wanted(train: Sequence[str], others: Sequence[str]) -> str:
    if not others:
        return ""
    return " to test/ to hold its images out" if train else " to train/"


def _named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    return [name for name in names if name.casefold() in known]


def _marked(names: Sequence[str]) -> list[str]:
    return [f"{name}/" for name in names if _looks(name)]


def _looks(name: str) -> bool:
    return bool(_words(name) & (_TRAIN_WORDS | _HELD_OUT_WORDS))


def _is_pair(names: Sequence[str]) -> bool:
    """Whether one name speaks of training and another of something held out."""
    return any(_words(name) & _TRAIN_WORDS for name in names) and any(
        _words(name) & _HELD_OUT_WORDS for name in names
    )


def _words(name: str) -> set[str]:
    """The words of a name in small letters: `seg_train`, `trainA` and `TrainSet2` have `train`."""
    return {word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
