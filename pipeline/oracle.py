"""Takes the train split and the reference folder; leaves images drawn with the exact score of
the split, their metrics, and the least losses. What they miss is the share of the schedule.
Run it with `dvc repro oracle`."""

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.files import write_json, write_npz
from ncsn.base.records import DataRecord, read_record
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.data.arrays import to_chw
from ncsn.data.split import load_split
from ncsn.evaluate.evaluation import evaluate_images
from ncsn.evaluate.reference import read_reference, split_paths
from ncsn.runtime.device import build_device
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.oracle import least_losses, oracle_samples


def main() -> str:
    """The stage."""
    params = load_params(
        "base", "paths", "noise", "train", "sampler", "sample", "oracle", "reference", "evaluate"
    )
    paths, seed, device = params.paths, params.base.seed, build_device(params.base)
    data_summary = read_record(paths.data_summary, DataRecord)
    reference = read_reference(paths.reference, params.reference, seed, data_summary)
    images = to_chw(load_split(paths.train_images).images).to(device)
    notice_unstable_step(params.noise, params.sampler)
    with work_folder("oracle", paths.work) as folder:
        samples = oracle_samples(images, params, folder)
        write_json(paths.oracle_summary, least_losses(images, params))
        write_npz(paths.oracle_samples, arr_0=samples)
    real, _ = (load_split(file).images for file in split_paths(paths, params.reference))
    metrics = evaluate_images(samples, reference, real, params.evaluate, seed, device)
    write_json(paths.oracle_metrics, keys.oracle_metrics(metrics))
    return f"{paths.oracle_metrics}: FID {metrics[keys.FID]:.4g} of {len(samples)} samples"


if __name__ == "__main__":
    entry(main)
