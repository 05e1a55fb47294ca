"""Takes generated images, both splits and the reference folder; leaves the metrics with their
conditions, error bars, and the floors at the same number of images. Only the generated images go
through the extractor.
Run it with `dvc repro evaluate`."""

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.records import DataRecord, read_record, write_metrics
from ncsn.config.params import load_params
from ncsn.evaluate.evaluation import evaluate_images, read_samples
from ncsn.evaluate.floor import RealSet, matched_floor
from ncsn.evaluate.reference import load_splits, read_other_features, read_reference
from ncsn.runtime.device import build_device


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "reference", "evaluate")
    paths, seed, device = params.paths, params.base.seed, build_device(params.base)
    data_summary = read_record(paths.data_summary, DataRecord)
    reference = read_reference(paths.reference, params.reference, seed, data_summary)
    samples = read_samples(paths.samples)
    _, real, other = load_splits(paths, params.reference)
    metrics = evaluate_images(
        samples, reference, real.images, params.evaluate, seed, device, paths.work
    )
    others = RealSet(read_other_features(paths.reference, reference, data_summary), other.images)
    metrics |= matched_floor(others, reference, len(samples), params.evaluate, seed)
    write_metrics(paths.metrics, metrics)
    return (
        f"{paths.metrics}: FID {metrics[keys.FID]:.4g} ({metrics[keys.EXTRACTOR]}, layer"
        f" {metrics[keys.FEATURE_LAYER]}; {metrics[keys.FID_NUM_SAMPLES]} samples against"
        f" {metrics[keys.NUM_REFERENCE]})"
        f"{'' if keys.ISC_MEAN in metrics else '; no Inception Score: no class scores there'}"
    )


if __name__ == "__main__":
    entry(main)
