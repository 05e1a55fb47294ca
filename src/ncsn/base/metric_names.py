"""The names of metrics, the same in metrics.json, train_log.jsonl, MLflow, tables and axes.

`eval/...` describe generated images, `oracle/...` those drawn with the exact score, `floor/...`
real ones measured the same way (train against test: the value of a perfect generator),
`reference/...` the feature extractor, `train/...` and `val/...` the training.
"""

from collections.abc import Mapping

FID = "eval/fid"
FID_NUM_SAMPLES = "eval/fid_num_samples"
KID_MEAN = "eval/kid_mean"
KID_STD = "eval/kid_std"
ISC_MEAN = "eval/isc_mean"
ISC_STD = "eval/isc_std"
PRECISION = "eval/precision"
RECALL = "eval/recall"
PIXEL_FRECHET = "eval/pixel_frechet"
NUM_REFERENCE = "eval/num_reference"
FLOOR_FID = "floor/fid"
FLOOR_FID_NUM_SAMPLES = "floor/fid_num_samples"
FLOOR_NUM_REFERENCE = "floor/num_reference"
FLOOR_KID_MEAN = "floor/kid_mean"
FLOOR_PIXEL_FRECHET = "floor/pixel_frechet"
CLASSIFIER_ACCURACY = "reference/classifier_test_accuracy"
GUESSING_ACCURACY = "reference/guessing_test_accuracy"  # of one answer for all images
# Conditions, kept beside the numbers as strings:
EXTRACTOR = "eval/extractor"
FEATURE_LAYER = "eval/feature_layer"
WEIGHTS_SHA256 = "eval/extractor_weights_sha256"
REFERENCE_EXTRACTOR = "reference/extractor"
REFERENCE_FEATURE_LAYER = "reference/feature_layer"
REFERENCE_SPLIT = "reference/split"
TEXTS = (
    EXTRACTOR,
    FEATURE_LAYER,
    WEIGHTS_SHA256,
    REFERENCE_EXTRACTOR,
    REFERENCE_FEATURE_LAYER,
    REFERENCE_SPLIT,
)
COUNTS = ("num_samples", "num_reference")  # ends of keys of whole numbers

TRAIN_LOSS = "train/loss"
STEPS_PER_SEC = "train/steps_per_sec"
TRAIN_DURATION_SEC = "train/duration_sec"
SAMPLE_DURATION_SEC = "sample/duration_sec"
VAL_LOSS = "val/loss"
VAL_PIXEL_FRECHET = "val/pixel_frechet"  # of images drawn like previews, against held-out ones


def level_key(key: str, level: int) -> str:
    """Returns the key of one noise level's loss.

    >>> level_key(VAL_LOSS, 3)
    'val/loss_level_03'
    """
    return f"{key}_level_{level:02d}"


def oracle_metrics(metrics: Mapping[str, float | str]) -> dict[str, float | str]:
    """Returns metrics of the oracle's images under its own names; conditions stand with `eval/`.

    >>> oracle_metrics({FID: 1.5, EXTRACTOR: "classifier"})
    {'oracle/fid': 1.5}
    """
    conditions = (EXTRACTOR, FEATURE_LAYER, WEIGHTS_SHA256, NUM_REFERENCE)
    return {
        f"oracle/{key.removeprefix('eval/')}": value
        for key, value in metrics.items()
        if key not in conditions
    }
