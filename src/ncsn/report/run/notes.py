"""What the page says of its numbers in sentences: what may be read from them, and what may not."""

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.base.numbers import with_error
from ncsn.config.limits import unstable_step
from ncsn.config.params import Params
from ncsn.evaluate.doubt import classifier_doubt
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.tables import Measured, Metric
from ncsn.report.template import number
from ncsn.train.doubt import stuck_doubt


def notices(inputs: ReportInputs, params: Params) -> list[str]:
    """Returns what a reader must know before the numbers, one sentence each."""
    found = [
        unstable_step(params.noise, params.sampler),
        _training_doubt(inputs, params),
        _classifier_doubt(inputs),
    ]
    return [sentence for sentence in found if sentence]


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
        return with_error(difference, None)
    error = math.hypot(above.own_spread, below.own_spread)
    told = "" if abs(difference) > 2 * error else ", which cannot be told from none"
    return f"{with_error(difference, error)}{told}"


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


def error_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Returns what the bars are, and how FID was extrapolated; nothing where there are none."""
    if keys.UNCERTAINTY_METHOD not in metrics:
        return []
    own = metrics[keys.samples_stderr_key(keys.FID)]
    notes = [
        f"± is the {metrics[keys.UNCERTAINTY_METHOD]}: what the value would vary by if both kinds "
        f"of images were drawn anew. With the reference images left as they are, FID has "
        f"± {own:.2g}. The Inception Score has its standard deviation over ten parts of "
        "the images."
    ]
    fit = f"{metrics[keys.FID_INFINITY_FIT_ERROR]:.2g}"
    fixed = with_error(metrics[keys.FID_INFINITY_FIXED_REFERENCE], None)
    notes.append(
        "FID at infinitely many images is where a straight line in 1/N ends, through all images "
        "and halves of them, of either kind (Chong & Forsyth 2020); thirds show its bend. "
        f"Its points are {metrics[keys.FID_INFINITY_POINTS]}. Its ± holds {fit} for the fit. With "
        f"the reference images left as they are, as in the paper, it ends at {fixed}."
    )
    return notes


def floor_note(inputs: ReportInputs, metric: Metric) -> str:
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
