"""A project with an untrained network as its checkpoint, to be exported and drawn with."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import load_params
from ncsn.config.preset import write_values
from ncsn.train.checkpoint import Checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]
SMALL = {
    "noise.num_levels": 3,
    "model.base_channels": 4,
    "sampler.steps_per_level": 2,
    "sample.num_samples": 11,
    "sample.block_size": 4,
    "sample.num_trajectory_images": 2,
    "evaluate.kid_subset_size": 4,
    "neighbours.num_samples": 4,
}
CONTINUOUS = {"model.name": "ncsnv2", "noise.training": "continuous"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with small params and no checkpoint yet."""
    place = tmp_path / "project"
    place.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place)
    for name in ("src", "pipeline"):
        (place / name).symlink_to(ROOT / name)
    monkeypatch.chdir(place)
    write_values(SMALL)
    return place


@pytest.fixture
def trained(project: Path) -> Callable[..., Path]:
    """Writes the checkpoint of a network of params.yaml with random weights; returns its path."""

    def write(image_shape: tuple[int, int, int] = (1, 8, 8)) -> Path:
        params = load_params("paths", "noise", "model", "train")
        noise = training_noise(params.noise, params.model.name)
        net = build_score_net(params.model, trained_sigmas(noise), image_shape, seed=1)
        draws = generator("weights")
        ema = {
            name: value + 0.05 * torch.randn(value.shape, generator=draws)
            for name, value in net.state_dict().items()
        }
        described = {
            "noise": noise,
            "model": params.model.model_dump(),
            "train": params.train.model_dump(),
        }
        saved = Checkpoint(7, described, image_shape, dict(net.state_dict()), ema, {}, {})
        save_checkpoint(params.paths.checkpoint, saved)
        return Path(params.paths.checkpoint)

    return write
