"""Takes a checkpoint and held-out images; leaves completions of their halves (Algorithm 2), and
images drawn without annealing at the cost of a sample.
Run it with `dvc repro illustrate`."""

from ncsn.base.entry import entry
from ncsn.base.files import write_npz
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.data.split import load_split
from ncsn.runtime.device import build_device
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.illustrations import draw_baseline, draw_inpainting
from ncsn.sample.network import network_scene
from ncsn.train.checkpoint import load_checkpoint


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "noise", "sampler", "sample", "illustrate")
    paths, device = params.paths, build_device(params.base, params.paths.work)
    saved, sigmas = load_checkpoint(paths.checkpoint), build_sigmas(params.noise)
    notice_unstable_step(params.noise, params.sampler)
    net = build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas)
    scene = network_scene(net, sigmas, saved.image_shape, params, device)
    held_out = load_split(paths.test_images).images
    with work_folder("illustrate", paths.work) as folder:
        inpainting = draw_inpainting(scene, held_out, params.illustrate, folder / "inpainting")
        baseline = draw_baseline(scene, params.illustrate, folder / "baseline")
        write_npz(paths.inpainting, **inpainting._asdict())
        write_npz(paths.baseline, images=baseline)
    return (
        f"{paths.inpainting}: {len(inpainting.originals)} images filled in,"
        f" {len(baseline)} drawn without annealing"
    )


if __name__ == "__main__":
    entry(main)
