"""Takes a checkpoint; leaves images, the path of a few of them, and what they cost.
A killed draw goes on after its last finished block.
Run it with `dvc repro sample`."""

import time

from ncsn.base.entry import entry
from ncsn.base.files import write_json, write_npz
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.runtime.cost import forward_flops
from ncsn.runtime.device import build_device
from ncsn.runtime.execution import network_scores, placed
from ncsn.runtime.memory import in_parts
from ncsn.runtime.times import note_seconds
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.blocks import Draw, draw_samples
from ncsn.train.checkpoint import load_checkpoint


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "noise", "sampler", "sample")
    paths, device = params.paths, build_device(params.base)
    saved = load_checkpoint(paths.checkpoint)
    notice_unstable_step(params.noise, params.sampler)
    sigmas = build_sigmas(params.noise)
    net = build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas)
    net, sigmas = placed(net, device), sigmas.to(device)
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    flops = forward_flops(net, saved.image_shape)
    to_do = flops * evaluations * params.sample.num_samples
    precision, compiled = params.sample.precision, params.base.compile
    score_fn = in_parts(network_scores(net, device, precision, compiled, to_do), "sampling")
    kernel = build_sampler(params.sampler, sigmas)
    draw = Draw(kernel, score_fn, saved.image_shape, evaluations, flops)
    with work_folder("sample", paths.work) as folder:
        samples = draw_samples(draw, params.sample, params.base.max_batch_size, folder)
        write_npz(paths.samples, arr_0=samples.images)
        write_npz(paths.trajectory, images=samples.states, sigmas=samples.state_sigmas)
        note_seconds(paths.samples, samples.seconds, paths.work)
    cost = {
        "num_samples": len(samples.images),
        "network_evaluations_per_image": evaluations,
        "flops_per_evaluation": flops,
    }
    named = params.sample.model_dump(include={"seed", "block_size"})
    write_json(paths.sample_summary, {**cost, **named})
    seconds = time.perf_counter() - begin
    size = f"{len(samples.images)} images, {evaluations} evaluations each"
    print(f"{paths.samples}: {size}, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)
