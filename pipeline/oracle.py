"""Takes the train split and the reference folder; leaves images drawn with the exact score of
the split, their metrics, and the least losses. What they miss is the share of the schedule.
Run it with `dvc repro oracle`."""

import time

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.files import write_json, write_npz
from ncsn.base.records import DataRecord, read_record
from ncsn.base.rng import generator
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.builders.score_net import build_sigmas
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.data.arrays import load_split, to_chw
from ncsn.evaluate.evaluation import evaluate_images
from ncsn.evaluate.reference import read_reference
from ncsn.maths.exact_score import DataScore
from ncsn.maths.least_loss import least_dsm_loss
from ncsn.runtime.device import build_device
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.blocks import Draw, draw_samples


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params(
        "base", "paths", "noise", "train", "sampler", "sample", "oracle", "reference", "evaluate"
    )
    paths, device, oracle = params.paths, build_device(params.base), params.oracle
    seed, batch_size = params.base.seed, params.base.max_batch_size
    images = to_chw(load_split(paths.train_images).images).to(device)
    notice_unstable_step(params.noise, params.sampler)
    sigmas, dequantised = build_sigmas(params.noise), params.train.uniform_dequantisation
    score_fn = DataScore(images, sigmas.to(device), dequantised=dequantised)
    kernel = build_sampler(params.sampler, sigmas.to(device))
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    draw = Draw(kernel, score_fn, tuple(images.shape[1:]), evaluations)
    wanted = params.sample.model_copy(update={"num_samples": oracle.num_samples})
    reference = read_reference(
        paths.reference, params.reference, seed, read_record(paths.data_summary, DataRecord)
    )
    with work_folder("oracle", paths.work) as folder:
        samples = draw_samples(draw, wanted, batch_size, folder).images
        draws = generator(params.sample.seed, "least-loss")
        least = least_dsm_loss(
            images, sigmas, draws, num_draws=oracle.num_draws, dequantised=dequantised
        )
        write_npz(paths.oracle_samples, arr_0=samples)
    losses = {name: values.tolist() for name, values in least._asdict().items()}
    write_json(paths.oracle_summary, {"sigmas": sigmas.tolist(), **losses})
    metrics = evaluate_images(samples, reference, params.evaluate, seed, device)
    write_json(paths.oracle_metrics, keys.oracle_metrics(metrics))
    seconds = time.perf_counter() - begin
    fid = f"FID {metrics[keys.FID]:.4g} with the exact score"
    print(f"{paths.oracle_metrics}: {fid}, {len(samples)} samples, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)
