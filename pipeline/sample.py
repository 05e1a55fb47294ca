"""Takes a checkpoint; leaves images, the path of a few of them, and what they cost.
A killed draw goes on after its last finished block.
Run it with `dvc repro sample`."""

from ncsn.base.entry import entry
from ncsn.base.files import write_json, write_npz
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.limits import notice_unstable_step
from ncsn.config.params import load_params
from ncsn.runtime.ranks import join
from ncsn.runtime.times import note_seconds
from ncsn.runtime.unfinished import work_folder
from ncsn.sample.blocks import draw_samples
from ncsn.sample.network import network_draw, sample_summary
from ncsn.train.checkpoint import load_checkpoint


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "noise", "sampler", "sample")
    paths, ranks = params.paths, join(params.base, params.paths.work)
    saved, sigmas = load_checkpoint(paths.checkpoint), build_sigmas(params.noise)
    notice_unstable_step(params.noise, params.sampler)
    net = build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas)
    draw = network_draw(net, sigmas, saved.image_shape, params, ranks.device)
    with work_folder("sample", paths.work) as folder:
        samples = draw_samples(draw, params.sample, params.base.max_batch_size, folder, ranks)
        write_npz(paths.samples, arr_0=samples.images)
        write_npz(paths.trajectory, images=samples.states, sigmas=samples.state_sigmas)
        note_seconds(paths.samples, samples.seconds, paths.work)
    write_json(paths.sample_summary, sample_summary(samples, draw, params.sample))
    return (
        f"{paths.samples}: {len(samples.images)} images,"
        f" {draw.evaluations_per_image} network evaluations per image"
    )


if __name__ == "__main__":
    entry(main)
