"""Takes the train split and the reference folder; leaves images drawn with the exact score of
the split, their metrics, and the least losses. What they miss is the share of the schedule.
Run it with `dvc repro oracle`."""

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.files import write_json, write_npz
from ncsn.base.records import DataRecord, read_record, write_metrics
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.data.arrays import to_chw
from ncsn.evaluate.evaluation import evaluate_images
from ncsn.evaluate.reference import load_splits, read_reference
from ncsn.runtime.ranks import join
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.oracle import least_losses, oracle_samples


def main() -> str:
    """The stage."""
    params = load_params(
        "base", "paths", "noise", "train", "sampler", "sample", "oracle", "reference", "evaluate"
    )
    paths, seed, ranks = params.paths, params.base.seed, join(params.base)
    data_summary = read_record(paths.data_summary, DataRecord)
    reference = read_reference(paths.reference, params.reference, seed, data_summary)
    train, real, _ = load_splits(paths, params.reference)
    images = to_chw(train.images).to(ranks.device)
    notice_unstable_step(params.noise, params.sampler)
    with work_folder("oracle", paths.work) as folder:
        samples = oracle_samples(images, params, folder, ranks)
        write_json(paths.oracle_summary, least_losses(images, params))
        write_npz(paths.oracle_samples, arr_0=samples)
    metrics = evaluate_images(samples, reference, real.images, params.evaluate, seed, ranks.device)
    write_metrics(paths.oracle_metrics, keys.oracle_metrics(metrics))
    return f"{paths.oracle_metrics}: FID {metrics[keys.FID]:.4g} of {len(samples)} samples"


if __name__ == "__main__":
    entry(main)
