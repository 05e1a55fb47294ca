"""Takes the train split; leaves images drawn with its exact score, and the least losses.
What they miss is the share of the schedule; what a network misses beyond that is its own.
Run it with `dvc repro oracle`."""

import time

from ncsn.build.device import build_device
from ncsn.build.sampler import build_sampler, evaluations_per_image
from ncsn.build.score_net import build_sigmas
from ncsn.data.arrays import load_split, to_chw
from ncsn.entry import entry
from ncsn.io import write_json, write_npz
from ncsn.oracles import data_oracle, least_dsm_loss
from ncsn.params import load_params
from ncsn.rng import generator
from ncsn.sampling import Draw, draw_samples
from ncsn.work import work_folder


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "noise", "train", "sampler", "sample", "oracle")
    paths, device, oracle = params.paths, build_device(params.base), params.oracle
    images = to_chw(load_split(paths.train_images).images).to(device)
    sigmas, dequantised = build_sigmas(params.noise), params.train.uniform_dequantisation
    score_fn = data_oracle(images, sigmas.to(device), dequantised=dequantised)
    chain = build_sampler(params.sampler, sigmas.to(device))
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    draw = Draw(chain, score_fn, sigmas.to(device), tuple(images.shape[1:]), evaluations)
    wanted = params.sample.model_copy(update={"num_samples": oracle.num_samples})
    with work_folder("oracle", paths.work) as folder:
        samples = draw_samples(draw, wanted, params.base.max_batch_size, folder)
        draws = generator(params.sample.seed, "least-loss")
        least = least_dsm_loss(
            images, sigmas, draws, num_draws=oracle.num_draws, dequantised=dequantised
        )
        write_npz(paths.oracle_samples, arr_0=samples.images)
    losses = {name: values.tolist() for name, values in least._asdict().items()}
    write_json(paths.oracle_summary, {"sigmas": sigmas.tolist(), **losses})
    seconds = time.perf_counter() - begin
    print(f"{paths.oracle_samples}: {len(samples.images)} images, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)
