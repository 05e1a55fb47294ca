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
from ncsn.runtime.device import build_device
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.illustrations import Scene, draw_baseline, draw_inpainting
from ncsn.train.checkpoint import load_checkpoint


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "noise", "sampler", "sample", "illustrate")
    paths, device = params.paths, build_device(params.base)
    saved = load_checkpoint(paths.checkpoint)
    notice_unstable_step(params.noise, params.sampler)
    sigmas = build_sigmas(params.noise)
    scene = Scene(
        build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas).to(device),
        sigmas.to(device),
        saved.image_shape,
        params.sampler,
        params.sample,
        evaluations_per_image(params.sampler, len(sigmas)),
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
