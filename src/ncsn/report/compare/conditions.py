"""Under which conditions runs were measured, and which of them may stand side by side."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord

# What must agree, in the words of the page, and where a run says it.
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "data set": ("data.name",),
    "train images": ("data.train_sha256",),
    "test images": ("data.test_sha256",),
    "reference split": ("reference.split", keys.REFERENCE_SPLIT),
    "extractor": (keys.EXTRACTOR, "reference.extractor"),
    "layer": (keys.FEATURE_LAYER, "reference.feature_layer"),
    "extractor weights": (keys.WEIGHTS_SHA256,),
    "classifier seed": (keys.CLASSIFIER_SEED,),
    "generated images": (keys.FID_NUM_SAMPLES,),
    "reference images": (keys.NUM_REFERENCE,),
}
_HASH = 40  # characters from which a value is a hash


class Group(NamedTuple):
    """Runs that were measured alike.

    Attributes:
        members: places of the runs in the comparison.
        known: conditions that at least one of them records.
    """

    members: list[int]
    known: dict[str, str]


def conditions(run: RunRecord) -> dict[str, str]:
    """Returns the conditions that a run records, by their names for people."""
    found = {name: run.known(*where) for name, where in CONDITIONS.items()}
    return {name: value for name, value in found.items() if value is not None}


def groups(runs: Sequence[RunRecord]) -> list[Group]:
    """Puts runs together whose recorded conditions agree, in the order of the runs.

    What one run does not record is taken as the others have it; `unrecorded` names it.
    """
    found: list[Group] = []
    for place, run in enumerate(runs):
        own = conditions(run)
        for group in found:
            if all(group.known.get(name, value) == value for name, value in own.items()):
                group.members.append(place)
                group.known.update(own)
                break
        else:
            found.append(Group([place], dict(own)))
    return found


def mismatches(found: Sequence[Group]) -> dict[str, list[str]]:
    """Returns the conditions in which groups differ, with the value of each group."""
    return {
        name: [shown(group.known.get(name, "not recorded")) for group in found]
        for name in CONDITIONS
        if len({group.known[name] for group in found if name in group.known}) > 1
    }


def unrecorded(runs: Sequence[RunRecord], group: Group) -> dict[str, list[int]]:
    """Returns by condition the runs of a group that do not record what others of it do."""
    missing = {
        name: [place for place in group.members if name not in conditions(runs[place])]
        for name in group.known
    }
    return {name: places for name, places in missing.items() if places}


def title(group: Group) -> str:
    """Returns the conditions of a group in one line."""
    known = group.known

    def value(name: str) -> str:
        return known.get(name, "?")

    return (
        f"{value('data set')}, {value('extractor')}, layer {value('layer')}, "
        f"{value('generated images')} generated vs {value('reference images')} "
        f"{value('reference split')} images"
    )


def shown(value: str) -> str:
    """Returns a condition as a person reads it: of a hash, the beginning."""
    return value if len(value) < _HASH else value[:10]
