"""Takes a checkpoint and held-out images; leaves completions of their halves (Algorithm 2), and
images drawn without annealing at the cost of a sample.
Run it with `dvc repro illustrate`."""

import time

from ncsn.base.entry import entry
from ncsn.base.files import write_npz
from ncsn.builders.sampler import evaluations_per_image
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.data.split import load_split
from ncsn.runtime.cost import forward_flops
from ncsn.runtime.device import build_device
from ncsn.runtime.execution import network_scores, placed
from ncsn.runtime.memory import in_parts
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.illustrations import Scene, draw_baseline, draw_inpainting, images_drawn
from ncsn.train.checkpoint import load_checkpoint


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "noise", "sampler", "sample", "illustrate")
    paths, device = params.paths, build_device(params.base)
    saved = load_checkpoint(paths.checkpoint)
    notice_unstable_step(params.noise, params.sampler)
    sigmas = build_sigmas(params.noise)
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    net = build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas)
    net = placed(net, device)
    flops = forward_flops(net, saved.image_shape) * evaluations * images_drawn(params.illustrate)
    scores = network_scores(net, device, params.sample.precision, params.base.compile, flops)
    scene = Scene(
        in_parts(scores, "illustrations"),
        sigmas.to(device),
        saved.image_shape,
        params.sampler,
        params.sample,
        evaluations,
        params.base.max_batch_size,
    )
    held_out = load_split(paths.test_images).images
    with work_folder("illustrate", paths.work) as folder:
        inpainting = draw_inpainting(scene, held_out, params.illustrate, folder / "inpainting")
        baseline = draw_baseline(scene, params.illustrate, folder / "baseline")
        write_npz(paths.inpainting, **inpainting._asdict())
        write_npz(paths.baseline, images=baseline)
    size = f"{len(inpainting.originals)} images filled in, {len(baseline)} without annealing"
    print(f"{paths.inpainting}: {size}, {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    entry(main)
