"""Takes generated images and the reference folder; leaves the metrics with their conditions.
Only the generated images go through the extractor.
Run it with `dvc repro evaluate`."""

import time

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.base.records import DataRecord, read_record
from ncsn.config.params import load_params
from ncsn.evaluate.evaluation import evaluate_images, read_samples
from ncsn.evaluate.reference import read_reference
from ncsn.runtime.device import build_device


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "reference", "evaluate")
    paths, seed = params.paths, params.base.seed
    reference = read_reference(
        paths.reference, params.reference, seed, read_record(paths.data_summary, DataRecord)
    )
    metrics = evaluate_images(
        read_samples(paths.samples),
        reference,
        params.evaluate,
        seed,
        build_device(params.base),
    )
    write_json(paths.metrics, metrics)
    conditions = f"{metrics[keys.EXTRACTOR]}, layer {metrics[keys.FEATURE_LAYER]}"
    counts = f"{metrics[keys.FID_NUM_SAMPLES]} samples against {metrics[keys.NUM_REFERENCE]}"
    score = "" if keys.ISC_MEAN in metrics else "; no Inception Score: no class scores there"
    seconds = time.perf_counter() - begin
    print(
        f"{paths.metrics}: FID {metrics[keys.FID]:.4g} ({conditions}; {counts}){score},"
        f" {seconds:.1f} s"
    )


if __name__ == "__main__":
    entry(main)
