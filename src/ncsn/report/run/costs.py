"""What the run took, stage by stage, in counts and FLOPs: equal runs have equal ones."""

from typing import NamedTuple

from ncsn.base.progress import quantity
from ncsn.report.run.inputs import ReportInputs


class StageCost(NamedTuple):
    """One line of the table of costs, as text."""

    stage: str
    work: str
    flops: str


def stage_costs(inputs: ReportInputs) -> list[StageCost]:
    """Returns training, where there was one, and sampling."""
    training, sampling = inputs.training_cost, inputs.sampling
    evaluations = sampling["num_samples"] * sampling["network_evaluations_per_image"]
    rows = [
        StageCost(
            "sample",
            f"{evaluations:,} network evaluations",
            quantity(evaluations * sampling["flops_per_evaluation"], "FLOP"),
        )
    ]
    if training["flops"]:
        images = f"{training['num_images']:,} images forward and backward"
        rows.insert(0, StageCost("train", images, quantity(training["flops"], "FLOP")))
    return rows
