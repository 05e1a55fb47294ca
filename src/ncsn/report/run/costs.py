"""What the run took, stage by stage, in counts and FLOPs: equal runs have equal ones."""

from collections.abc import Mapping
from typing import NamedTuple

from ncsn.base.progress import quantity
from ncsn.report.run.inputs import ReportInputs


class StageCost(NamedTuple):
    """One line of the table of costs, as text; `ran` names precision, compiling and threads."""

    stage: str
    work: str
    flops: str
    ran: str


def stage_costs(inputs: ReportInputs) -> list[StageCost]:
    """Returns training, where there was one, and sampling."""
    training, sampling = inputs.training_cost, inputs.sampling
    evaluations = sampling["num_samples"] * sampling["network_evaluations_per_image"]
    rows = [
        StageCost(
            "sample",
            f"{evaluations:,} network evaluations",
            quantity(evaluations * sampling["flops_per_evaluation"], "FLOP"),
            _ran(sampling.get("execution", {})),
        )
    ]
    if training["flops"]:
        images = f"{training['num_images']:,} images forward and backward"
        flops = quantity(training["flops"], "FLOP")
        rows.insert(0, StageCost("train", images, flops, _ran(training.get("execution", {}))))
    return rows


def _ran(execution: Mapping[str, str | int]) -> str:
    """Precision, what was compiled, and the threads; files of before say nothing of it."""
    parts = [str(execution[key]) for key in ("precision",) if key in execution]
    if (compiled := execution.get("compiled", "nothing")) != "nothing":
        parts.append(f"{compiled} compiled")
    if threads := execution.get("threads"):
        parts.append(f"{threads} thread" + "s" * (threads != 1))
    return ", ".join(parts)
