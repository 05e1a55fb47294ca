"""What the run took, stage by stage: counts and FLOPs, and the seconds that the stages noted."""

from typing import NamedTuple

from ncsn.log_rows import training_seconds
from ncsn.progress import duration, quantity
from ncsn.report.inputs import ReportInputs


class StageCost(NamedTuple):
    """One line of the table of costs, in words; `seconds` are of the machine that did the work."""

    stage: str
    work: str
    flops: str
    seconds: str


def stage_costs(inputs: ReportInputs) -> list[StageCost]:
    """Returns training, where there was one, and sampling."""
    training, sampling = inputs.training_cost, inputs.sampling
    evaluations = sampling["num_samples"] * sampling["network_evaluations_per_image"]
    rows = [
        StageCost(
            "sample",
            f"{evaluations:,} network evaluations",
            quantity(evaluations * sampling["flops_per_evaluation"], "FLOP"),
            duration(sampling["seconds"]),
        )
    ]
    if training["flops"]:
        images = f"{training['num_images']:,} images forward and backward"
        seconds = duration(training_seconds(inputs.log))
        rows.insert(0, StageCost("train", images, quantity(training["flops"], "FLOP"), seconds))
    return rows
