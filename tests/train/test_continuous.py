"""Training on sigmas from a range: the ladder's loss, resumable, sampled on any ladder inside."""

import json
import math
from functools import partial

import pytest
import torch
from tiny_training import RECIPE

import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.errors import UserError
from ncsn.base.rng import generator
from ncsn.base.training_names import VAL_LOSS, level_key
from ncsn.builders.objective import build_objective
from ncsn.builders.score_net import build_score_net, build_trained_net, trained_sigmas
from ncsn.config.params import BaseParams, ModelParams, TrainParams
from ncsn.maths.exact_score import smoothed_data_score
from ncsn.maths.ladder import geometric_sigmas, ladder_index
from ncsn.maths.level_sampling import sigmas_at
from ncsn.maths.losses import denoising_score_matching
from ncsn.train.batches import draw_batch
from ncsn.train.checkpoint import load_checkpoint, save_checkpoint
from ncsn.train.log import LOG
from ncsn.train.loop import CHECKPOINT, Task, train

NOISE = {
    "training": "continuous",
    "range": [2.0, 0.05],
    "sigmas": geometric_sigmas(2.0, 0.05, 10).tolist(),
}
MODEL = ModelParams(name="ncsnv2", base_channels=4)
BASE = BaseParams(
    seed=3,
    device="cpu",
    checkpoint_every_sec=1e-9,
    devices=1,
    max_batch_size=64,
    compile="never",
    deterministic=False,
)
TRAIN = TrainParams(
    num_steps=4,
    batch_size=8,
    learning_rate=1e-3,
    adam_beta1=0.9,
    adam_beta2=0.999,
    adam_eps=1e-8,
    weight_power=2.0,
    ema_decay=0.9,
    **RECIPE,
    uniform_dequantisation=True,
    random_flip=False,
    precision="fp32",
    log_every_steps=2,
    validate_every_steps=4,
    preview_every_steps=4,
    frechet_samples=0,
)
IMAGES = torch.randint(256, (24, 1, 8, 8), generator=generator("i"), dtype=torch.uint8)


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 24)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


def _task(model=MODEL, noise=NOISE):
    sigmas = trained_sigmas(noise)
    net = build_score_net(model, sigmas, (1, 8, 8), 1, points=IMAGES, dequantised=True)
    described = {"noise": noise, "model": model.model_dump(), "train": TRAIN.model_dump()}
    objective = build_objective(TRAIN, sigmas)
    return Task(net, objective, IMAGES, IMAGES[:6], sigmas, described, noise.get("range"))


def test_at_the_sigma_of_a_level_both_routes_give_one_loss():
    sigmas = geometric_sigmas(2.0, 0.05, 5)
    net = build_score_net(MODEL, sigmas, (1, 8, 8), 1)
    x, level = torch.rand(5, 1, 8, 8, generator=generator("x")), torch.arange(5)
    z = torch.randn(x.shape, generator=generator("z"))
    by_index = denoising_score_matching(net, x, level, z, sigmas)
    by_sigma = denoising_score_matching(net, x, sigmas.float()[level], z, sigmas)
    assert torch.equal(by_index, by_sigma)


def test_sigmas_are_uniform_in_their_logarithm_and_stay_in_the_range():
    draws = [
        draw_batch(
            IMAGES, 10, 64, 7, step, uniform_dequantisation=False, random_flip=False,
            level_at=partial(sigmas_at, 2.0, 0.05, 0.0),
        ).level
        for step in range(100)
    ]  # fmt: skip
    sigmas = torch.cat(draws)
    assert sigmas.min() >= 0.05 * (1 - 1e-6) and sigmas.max() <= 2.0
    uniform = (sigmas.log() - math.log(0.05)) / math.log(2.0 / 0.05)
    counts = torch.histc(uniform, bins=10, min=0, max=1)
    assert counts.min() > 540 and counts.max() < 740  # 640 +- 4 standard deviations
    assert len(sigmas.unique()) > 6000  # each image has its own


def test_the_nearest_level_is_that_of_the_logarithm():
    sigmas = geometric_sigmas(1.0, 0.01, 3)  # 1, 0.1, 0.01
    near = sigmas_at(1.0, 0.01, 0.0, torch.tensor([0.0, 0.24, 0.26, 0.74, 0.76, 1.0]))
    assert ladder_index(near, sigmas).tolist() == [0, 0, 1, 1, 2, 2]
    level = torch.tensor([2, 0])
    assert ladder_index(level, sigmas) is level


def test_a_killed_continuous_training_goes_on_bit_for_bit(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("whole", "broken")]
    for folder in folders:
        folder.mkdir()
    unbroken = train(_task(), TRAIN, BASE, folders[0])
    original = ncsn.train.loop._step

    def killed_at_3(task, state, *rest):
        if state.step == 3:
            raise KeyboardInterrupt
        return original(task, state, *rest)

    monkeypatch.setattr(ncsn.train.loop, "_step", killed_at_3)
    with pytest.raises(KeyboardInterrupt):
        train(_task(), TRAIN, BASE, folders[1])
    monkeypatch.setattr(ncsn.train.loop, "_step", original)
    assert load_checkpoint(folders[1] / CHECKPOINT).step == 3
    resumed = train(_task(), TRAIN, BASE, folders[1])
    for name in unbroken.net:
        assert torch.equal(unbroken.net[name], resumed.net[name]), name
    whole, broken = (_rows(folder) for folder in folders)
    assert whole == broken and [row["step"] for row in whole] == [2, 4]
    assert level_key(VAL_LOSS, 9) in whole[-1]


def _rows(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_one_training_serves_every_ladder_inside_its_range(tmp_path):
    saved = train(_task(), TRAIN, BASE, tmp_path)
    save_checkpoint(tmp_path / "c.pt", saved)
    loaded = load_checkpoint(tmp_path / "c.pt")
    assert loaded.params["noise"] == NOISE
    x = torch.rand(2, 1, 8, 8, generator=generator("x"))
    level = torch.tensor([1, 1])
    scaled = []
    for sigmas in (geometric_sigmas(1.0, 0.1, 3), geometric_sigmas(2.0, 0.05, 7)):
        net = build_trained_net(loaded.params, loaded.image_shape, loaded.ema, sigmas)
        scaled.append(net(x, level) * float(sigmas[1]))
    torch.testing.assert_close(scaled[0], scaled[1])
    with pytest.raises(UserError, match="noise.sigma_max"):
        wide = geometric_sigmas(3.0, 0.1, 3)
        build_trained_net(loaded.params, loaded.image_shape, loaded.ema, wide)


def test_the_exact_score_goes_through_training_and_checkpoint(tmp_path):
    task = _task(ModelParams(name="oracle", base_channels=4), {"training": "none"})
    saved = train(task, TRAIN, BASE, tmp_path)
    assert saved.step == 0 and (tmp_path / LOG).read_text() == '{"step": 0}\n'
    save_checkpoint(tmp_path / "c.pt", saved)
    loaded = load_checkpoint(tmp_path / "c.pt")
    assert loaded.ema["points"].dtype == torch.uint8
    sigmas, x = geometric_sigmas(1.0, 0.1, 4), torch.rand(4, 1, 8, 8, generator=generator("x"))
    net = build_trained_net(loaded.params, loaded.image_shape, loaded.ema, sigmas)
    exact = smoothed_data_score(x, sigmas, IMAGES, dequantised=True)
    assert torch.equal(net(x, torch.arange(4)), exact)
