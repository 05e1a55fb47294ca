"""The page: everything it says as plain values, filled into page.html.

The page embeds its pictures and needs no network. It shows no time, path or version, so the same
results give the same bytes.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.config.limits import unstable_step
from ncsn.config.params import Params
from ncsn.evaluate.doubt import classifier_doubt
from ncsn.report.run.costs import stage_costs
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.tables import Measured, Metric, least_level_losses, metric_sides
from ncsn.report.template import page_template
from ncsn.train.doubt import stuck_doubt

TEMPLATE = Path(__file__).with_name("page.html")
HIDDEN_SECTIONS = ("track", "sweep", "toy")  # they decide no result


class Cost(NamedTuple):
    """What the run took, in counts."""

    evaluations_per_image: int
    num_samples: int
    num_levels: int
    steps_per_level: int
    num_steps: int
    batch_size: int
    images_seen: int
    passes: float


def render_page(
    inputs: ReportInputs,
    params: Params,
    metrics: Sequence[Metric],
    pictures: Mapping[str, bytes],
) -> str:
    """Returns the report as one HTML document.

    Args:
        inputs: result files of the other stages.
        params: the sections that the report shows.
        metrics: rows of the table of metrics.
        pictures: PNG files by name; a section whose picture is missing is left out or says why.
    """
    template = page_template(
        TEMPLATE, {"number": number, "error": error_number, "sides": metric_sides}
    )
    return template.render(
        params=params,
        notices=notices(inputs, params),
        configuration=configuration(params),
        metrics=metrics,
        floor_note=_floor_note(inputs, metrics[0]),
        error_notes=error_notes(inputs.metrics),
        share_notes=share_notes(metrics[0], params.reference.split),
        has_least_loss=least_level_losses(
            inputs.oracle, params.train.weight_power, inputs.training_sigmas
        )
        is not None,
        accuracy=inputs.reference.get(keys.CLASSIFIER_ACCURACY),
        pictures={name: _data_uri(png) for name, png in pictures.items()},
        data=inputs.data,
        cost=cost(inputs, params),
        stage_costs=stage_costs(inputs),
        num_shown=min(params.report.num_grid_images, len(inputs.samples)),
        neighbours=inputs.neighbours,
        nearest_notes=nearest_notes(inputs.neighbours),
        num_baseline=len(inputs.baseline),
        num_completions=inputs.inpainting["completions"].shape[2],
        num_real_shown=min(params.report.num_grid_images, len(inputs.real)),
        num_trajectories=inputs.trajectory.shape[1],
        num_states=len(inputs.trajectory),
    )


def notices(inputs: ReportInputs, params: Params) -> list[str]:
    """Returns what a reader must know before the numbers, one sentence each."""
    found = [
        unstable_step(params.noise, params.sampler),
        _training_doubt(inputs, params),
        _classifier_doubt(inputs),
    ]
    return [sentence for sentence in found if sentence]


def configuration(params: Params) -> dict[str, dict[str, str]]:
    """Returns the values that decide results, by section and key, as params.yaml writes them."""
    shown = [name for name in Params.model_fields if hasattr(params, name)]
    return {
        name: {
            key: _yaml_text(value)
            for key, value in getattr(params, name).model_dump().items()
            if name != "base" or key == "seed"
        }
        for name in shown
        if name not in HIDDEN_SECTIONS
    }


def cost(inputs: ReportInputs, params: Params) -> Cost:
    """Returns the counts that a person weighs against the metrics."""
    num_steps = params.train.num_steps if inputs.training_sigmas else 0
    images_seen = num_steps * params.train.batch_size
    return Cost(
        evaluations_per_image=inputs.sampling["network_evaluations_per_image"],
        num_samples=inputs.sampling["num_samples"],
        num_levels=params.noise.num_levels,
        steps_per_level=params.sampler.steps_per_level,
        num_steps=num_steps,
        batch_size=params.train.batch_size,
        images_seen=images_seen,
        passes=images_seen / inputs.data["train"]["count"],
    )


def share_notes(metric: Metric, reference_split: str) -> list[str]:
    """Returns what may be read from the differences of network, oracle and floor, in sentences.

    A Fréchet distance depends on the number of images, so a difference is called a share only
    where both sides have the same number.

    Args:
        metric: the distance that is split into shares.
        reference_split: the split that everything is compared with.
    """
    if metric.oracle is None:
        return []
    notes = [_share_note(metric, "network", metric.network, "oracle", metric.oracle, "network")]
    if metric.floor is not None:
        notes.append(
            _share_note(metric, "oracle", metric.oracle, "floor", metric.floor, "schedule")
        )
    if reference_split == "train":
        notes.append(
            "The oracle draws from the very images that it is compared with here, so it can lie "
            "below the floor."
        )
    return notes


def _share_note(
    metric: Metric, high: str, above: Measured, low: str, below: Measured, share: str
) -> str:
    if above.num_images != below.num_images:
        return (
            f"The {high} has {above.images} and the {low} {below.images}. The numbers of images "
            f"differ and a Fréchet distance depends on them: the two cannot be compared, and "
            f"{high} less {low} is not the share of the {share} here."
        )
    return (
        f"Both {high} and {low} have {above.num_images:,} images: in {metric.title} "
        f"({metric.setting}) the share of the {share} is {_difference(above, below)}."
    )


def _difference(above: Measured, below: Measured) -> str:
    """The difference with its error; both were measured against the same reference images."""
    difference = above.value - below.value
    if above.own_spread is None or below.own_spread is None:
        return number(difference)
    error = math.hypot(above.own_spread, below.own_spread)
    told = "" if abs(difference) > 2 * error else ", which cannot be told from none"
    return f"{number(difference)} ± {error_number(error)}{told}"


def nearest_notes(neighbours: Mapping[str, Any]) -> dict[str, str]:
    """Returns, by space, how near the training images are to samples and to held-out images."""
    notes = {}
    for space in ("pixels", "features"):
        found = neighbours[space]
        of_samples = [row[0] for row in found["distances"]]
        unseen = found["held_out_distances"]
        notes[space] = (
            f"Distance to the nearest: median {number(median(of_samples))} and least "
            f"{number(min(of_samples))} for the samples, median {number(median(unseen))} and "
            f"least {number(min(unseen))} for the first {len(unseen)} held-out images."
        )
    return notes


def number(value: float) -> str:
    """Returns a value with four significant digits, thousands separated, no exponent from 1e-4 on.

    >>> number(0.38214), number(1437.0), number(2e-05), number(191.0)
    ('0.3821', '1,437', '2e-05', '191')
    """
    if value == int(value) or abs(value) >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def error_number(value: float) -> str:
    """Returns an error with two significant digits.

    >>> error_number(0.62668), error_number(12.3)
    ('0.63', '12')
    """
    return f"{value:.2g}"


def error_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Returns what the bars are, and how FID was extrapolated; nothing where there are none."""
    if keys.UNCERTAINTY_METHOD not in metrics:
        return []
    own = metrics[keys.samples_stderr_key(keys.FID)]
    notes = [
        f"± is the {metrics[keys.UNCERTAINTY_METHOD]}: what the value would vary by if both kinds "
        f"of images were drawn anew. With the reference images left as they are, FID has "
        f"± {error_number(own)}. The Inception Score has its standard deviation over ten parts of "
        "the images."
    ]
    fit = error_number(metrics[keys.FID_INFINITY_FIT_ERROR])
    fixed = number(metrics[keys.FID_INFINITY_FIXED_REFERENCE])
    notes.append(
        "FID at infinitely many images is where a straight line in 1/N ends, through all images "
        "and halves of them, of either kind (Chong & Forsyth 2020); thirds show its bend. "
        f"Its points are {metrics[keys.FID_INFINITY_POINTS]}. Its ± holds {fit} for the fit. With "
        f"the reference images left as they are, as in the paper, it ends at {fixed}."
    )
    return notes


def _floor_note(inputs: ReportInputs, metric: Metric) -> str:
    train, test = (inputs.data[split]["count"] for split in ("train", "test"))
    floor, subsets = metric.floor, inputs.metrics.get(keys.MATCHED_NUM_SUBSETS)
    if floor is None or subsets is None:
        return f"{train:,} train vs {test:,} test images: what a perfect generator would reach."
    which = f"{subsets} random sets of {floor.images}" if subsets > 1 else f"all {floor.images}"
    with_many = "as many" if floor.num_images == metric.network.num_images else "so many"
    note = f"{which} vs {metric.compared_with}: what a perfect generator reaches with {with_many}."
    if subsets > 1:
        note += " ± is the standard deviation of such sets, the reference left as it is."
    if floor.num_images < metric.network.num_images:
        note += (
            f" That is fewer than the {metric.network.images}, and a Fréchet distance of fewer "
            "images is larger: the network's cannot be compared with it."
        )
    return note


def _training_doubt(inputs: ReportInputs, params: Params) -> str | None:
    logged = [row for row in inputs.log if training_names.TRAIN_LOSS in row]
    return stuck_doubt(logged[-1], params.train, inputs.samples[0].size) if logged else None


def _classifier_doubt(inputs: ReportInputs) -> str | None:
    accuracy = inputs.reference.get(keys.CLASSIFIER_ACCURACY)
    if accuracy is None:
        return None
    guessing = inputs.reference[keys.GUESSING_ACCURACY]
    return classifier_doubt(accuracy, guessing, inputs.data["test"]["count"])


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _yaml_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
