"""A seed of the training alone: it decides the training as `base.seed` does, and nothing else."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_training import BASE, NOISE, params_of

import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.files import read_jsonl
from ncsn.base.rng import generator
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import ModelParams
from ncsn.train.log import LOG
from ncsn.train.loop import train
from ncsn.train.task import image_task

ROOT = Path(__file__).parents[2]
IMAGES = torch.randint(256, (24, 8, 8, 1), generator=generator("i"), dtype=torch.uint8).numpy()


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 24)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


def _trained(folder: Path, shared: int, own: int | None) -> tuple[dict[str, Any], Any]:
    """Weights and log of a training under base.seed and train.seed."""
    folder.mkdir()
    base, params = BASE.model_copy(update={"seed": shared}), params_of(seed=own)
    model = ModelParams(name="ncsn", base_channels=4)
    sections: Any = SimpleNamespace(base=base, model=model, train=params)
    task = image_task(IMAGES, IMAGES[:6], NOISE, sections, torch.device("cpu"))
    checkpoint = train(task, params, base, folder)
    return checkpoint.net, read_jsonl(folder / LOG)


def test_one_value_gives_one_training_whichever_key_has_it(tmp_path):
    weights, log = _trained(tmp_path / "shared", 5, None)
    same, same_log = _trained(tmp_path / "own", 1234, 5)
    assert log == same_log
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_another_seed_gives_another_training(tmp_path):
    weights, _ = _trained(tmp_path / "five", 1234, 5)
    for name, seeds in (("six", (1234, 6)), ("null", (1234, None))):
        other, _ = _trained(tmp_path / name, *seeds)
        assert not torch.equal(weights["head.weight"], other["head.weight"])


def test_no_other_stage_depends_on_it():
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    having = {
        name
        for name, stage in stages.items()
        if {"train", "train.seed"} & set(stage.get("params", []))
    }
    assert having == {"train", "report"}  # the page shows all params
