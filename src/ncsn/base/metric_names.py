"""The names of metrics, the same in metrics.json, train_log.jsonl, MLflow, tables and axes.

`eval/...` describe generated images, `oracle/...` those drawn with the exact score, `floor/...`
real ones measured the same way (train against test: the value of a perfect generator),
`matched_floor/...` as many real ones as were generated, `reference/...` the feature extractor.
Those of the training, `train/...` and `val/...`, stand in `training_names`, so that a new metric
does not count as a change of what was trained.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

FID = "eval/fid"
FID_NUM_SAMPLES = "eval/fid_num_samples"
KID_MEAN = "eval/kid_mean"
KID_STD = "eval/kid_std"
ISC_MEAN = "eval/isc_mean"
ISC_STD = "eval/isc_std"
PRECISION = "eval/precision"
RECALL = "eval/recall"
PIXEL_FRECHET = "eval/pixel_frechet"
FID_INFINITY = "eval/fid_infinity"  # of infinitely many images on both sides
FID_INFINITY_FIT_ERROR = "eval/fid_infinity_fit_error"
FID_INFINITY_FIXED_REFERENCE = "eval/fid_infinity_fixed_reference"  # generated images alone
NUM_REFERENCE = "eval/num_reference"
FLOOR_FID = "floor/fid"
FLOOR_FID_NUM_SAMPLES = "floor/fid_num_samples"
FLOOR_NUM_REFERENCE = "floor/num_reference"
FLOOR_KID_MEAN = "floor/kid_mean"
FLOOR_PIXEL_FRECHET = "floor/pixel_frechet"
MATCHED_NUM_SUBSETS = "matched_floor/num_subsets"
CLASSIFIER_ACCURACY = "reference/classifier_test_accuracy"
GUESSING_ACCURACY = "reference/guessing_test_accuracy"  # of one answer for all images
# Conditions, kept beside the numbers as strings:
EXTRACTOR = "eval/extractor"
FEATURE_LAYER = "eval/feature_layer"
WEIGHTS_SHA256 = "eval/extractor_weights_sha256"
CLASSIFIER_SEED = "eval/classifier_seed"  # of the extractor's own training
UNCERTAINTY_METHOD = "eval/uncertainty_method"
FID_INFINITY_POINTS = "eval/fid_infinity_points"
ORACLE_FID_INFINITY_POINTS = "oracle/fid_infinity_points"
REFERENCE_EXTRACTOR = "reference/extractor"
REFERENCE_FEATURE_LAYER = "reference/feature_layer"
REFERENCE_SPLIT = "reference/split"
TEXTS = (
    EXTRACTOR,
    FEATURE_LAYER,
    WEIGHTS_SHA256,
    CLASSIFIER_SEED,
    UNCERTAINTY_METHOD,
    FID_INFINITY_POINTS,
    ORACLE_FID_INFINITY_POINTS,
    REFERENCE_EXTRACTOR,
    REFERENCE_FEATURE_LAYER,
    REFERENCE_SPLIT,
)
COUNTS = ("num_samples", "num_reference", "num_subsets")  # ends of keys of whole numbers

TRAIN_DURATION_SEC = "train/duration_sec"
SAMPLE_DURATION_SEC = "sample/duration_sec"


class Measure(NamedTuple):
    """How a metric of generated images is shown.

    Attributes:
        key: name in metrics.json.
        title: name for people.
        better: which values are.
        measured_on: the extractor's features, its class outputs, or raw pixels.
        spread: key of its standard deviation over parts of the images, None where it has none; a
            standard error, where there is one, stands under `stderr_key`.
    """

    key: str
    title: str
    better: Literal["lower", "higher"]
    measured_on: Literal["features", "classes", "pixels"] = "features"
    spread: str | None = None


# In the order in which they are shown; the first is split into shares. Each may be a study's
# objective.
MEASURES = (
    Measure(FID, "FID", "lower"),
    Measure(PIXEL_FRECHET, "Fréchet distance", "lower", "pixels"),
    Measure(KID_MEAN, "KID", "lower", spread=KID_STD),
    Measure(PRECISION, "Precision", "higher"),
    Measure(RECALL, "Recall", "higher"),
    Measure(FID_INFINITY, "FID at infinitely many images", "lower"),
    Measure(ISC_MEAN, "Inception score", "higher", "classes", spread=ISC_STD),
)


def oracle_metrics(metrics: Mapping[str, float | str]) -> dict[str, float | str]:
    """Returns metrics of the oracle's images under its own names; conditions stand with `eval/`.

    >>> oracle_metrics({FID: 1.5, EXTRACTOR: "classifier"})
    {'oracle/fid': 1.5}
    """
    shared = {EXTRACTOR, FEATURE_LAYER, WEIGHTS_SHA256, CLASSIFIER_SEED, UNCERTAINTY_METHOD}
    conditions = shared | {NUM_REFERENCE}
    return {
        f"oracle/{key.removeprefix('eval/')}": value
        for key, value in metrics.items()
        if key not in conditions
    }


def stderr_key(key: str) -> str:
    """Returns the key of a metric's standard error, all images drawn anew."""
    return f"{key}_stderr"


def samples_stderr_key(key: str) -> str:
    """Returns the key of a metric's standard error, the generated images alone drawn anew."""
    return f"{key}_stderr_samples"


def std_key(key: str) -> str:
    """Returns the key of a floor's standard deviation over subsets of real images."""
    return f"{key}_std"


def matched(key: str) -> str:
    """Returns the key of the floor at the number of generated images.

    >>> matched(FID)
    'matched_floor/fid'
    """
    return key.replace("eval/", "matched_floor/")
