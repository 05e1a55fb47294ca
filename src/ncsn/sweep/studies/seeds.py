"""The seeds with which a point is repeated: those of its trainings, and of the draws of each.

Draw d of training k samples with sample.seed + 1000 k + d: trainings share no draw, so that the
spread of their means holds all noise, and a draw keeps its seed when others are added.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from ncsn.base.dotted import value_at
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.studies.study import MOST_DRAWS


class Seeds(NamedTuple):
    """Seeds of a point.

    Attributes:
        trainings: one for each training.
        samples: one for each draw, those of the first training first; of each training as many.
    """

    trainings: tuple[int, ...]
    samples: tuple[int, ...]

    def pairs(self) -> list[tuple[int, int]]:
        """Returns the seeds of training and samples of each draw."""
        draws = len(self.samples) // len(self.trainings)
        return [(self.trainings[i // draws], seed) for i, seed in enumerate(self.samples)]


def search_seeds(plan: Plan, values: Mapping[str, Any]) -> Seeds:
    """Returns the seeds of a point in the search.

    Args:
        plan: the study.
        values: dotted values of the point.
    """
    return _seeds(plan, values, range(_possible(plan.trainings, values)), plan.draws)


def fresh_seeds(plan: Plan, values: Mapping[str, Any], trainings: int, draws: int) -> Seeds:
    """Returns seeds that no trial of the search has had.

    Args:
        plan: the study.
        values: dotted values of the point.
        trainings: several are all fresh, each with `draws` draws; with one, the first network of
            the search is drawn with fresh seeds.
        draws: of each training.
    """
    if _possible(trainings, values) == 1:
        return _seeds(plan, values, range(1), draws, plan.draws)
    return _seeds(plan, values, range(plan.trainings, plan.trainings + trainings), draws)


def repeated(
    plan: Plan, values: Mapping[str, Any], pairs: list[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Yields the values of each draw; the point's own training is asked for as the point has it.

    DVC knows a training by its values, so that null and a number are two.
    """
    own = _train_seed(plan, values)
    for training, sample in pairs:
        other = {} if training == own else {"train.seed": training}
        yield {**values, **other, "sample.seed": sample}


def _seeds(
    plan: Plan, values: Mapping[str, Any], trainings: range, draws: int, first: int = 0
) -> Seeds:
    own, sample = _train_seed(plan, values), int(plan.fixed["sample.seed"])
    blocks = (sample + MOST_DRAWS * k + first for k in trainings)
    samples = chain.from_iterable(range(block, block + draws) for block in blocks)
    return Seeds(tuple(own + k for k in trainings), tuple(samples))


def _possible(trainings: int, values: Mapping[str, Any]) -> int:
    """An exact score has no training that another seed could change."""
    return 1 if values["model.name"] == "oracle" else trainings


def _train_seed(plan: Plan, values: Mapping[str, Any]) -> int:
    """The seed of the training at a point, as the stage `train` takes it."""
    for key in ("train.seed", "base.seed"):
        seed = values.get(key, value_at(plan.params, key))
        if seed is not None:
            return int(seed)
    raise AssertionError("base.seed is a number")
