"""A resumed training is an unbroken one, bit for bit; it learns; it stops on not-a-number."""

import dataclasses
import json

import pytest
import tiny_training
import torch
from tiny_training import params_of, task_of

import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.errors import UserError
from ncsn.base.files import read_jsonl
from ncsn.base.rng import generator
from ncsn.base.training_names import (
    LEARNING_RATE,
    STEPS_PER_SEC,
    TRAIN_LOSS,
    VAL_LOSS,
    VAL_PIXEL_FRECHET,
    level_key,
)
from ncsn.builders.score_net import build_trained_net
from ncsn.train.batches import Batch
from ncsn.train.checkpoint import load_checkpoint, save_checkpoint
from ncsn.train.log import LOG, PREVIEWS, SPEED, cut_back
from ncsn.train.loop import CHECKPOINT, train

BASE = tiny_training.BASE.model_copy(update={"checkpoint_every_sec": 1e-9})


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 24)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


def _rows(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


RECIPE = {
    "warmup_steps": 2,
    "learning_rate_decay": "cosine",
    "level_sampling_power": -0.5,
    "ema_profile": "power",
}


@pytest.mark.parametrize("recipe", [{}, RECIPE], ids=["the paper's", "another"])
def test_a_killed_training_goes_on_bit_for_bit(tmp_path, monkeypatch, recipe):
    params = params_of(**recipe)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken = train(task_of(params), params, BASE, whole_folder := _made(whole))

    class Killed(BaseException):
        pass

    def killed_at_5(task, state, *rest):
        if state.step == 5:
            raise Killed
        return original(task, state, *rest)

    original = ncsn.train.loop._step
    monkeypatch.setattr(ncsn.train.loop, "_step", killed_at_5)
    with pytest.raises(Killed):
        train(task_of(params), params, BASE, _made(broken))
    monkeypatch.setattr(ncsn.train.loop, "_step", original)
    assert load_checkpoint(broken / CHECKPOINT).step == 5
    with open(broken / LOG, "a") as log:  # a line beyond the checkpoint is written again
        log.write('{"step": 6}\n')
    resumed = train(task_of(params), params, BASE, broken)
    for name in unbroken.net:
        assert torch.equal(unbroken.net[name], resumed.net[name]), name
        assert torch.equal(unbroken.ema[name], resumed.ema[name]), name
    assert (broken / LOG).read_bytes() == (whole_folder / LOG).read_bytes()
    for folder, finished in ((whole, unbroken), (broken, resumed)):
        save_checkpoint(folder / f"{folder.name}.pt", finished)
    assert (whole / "whole.pt").read_bytes() == (broken / "broken.pt").read_bytes()
    images = [{p.name: p.read_bytes() for p in (f / PREVIEWS).iterdir()} for f in (whole, broken)]
    assert images[0] == images[1]


def _made(folder):
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "changes", [{"net": {}}, {"ema": {}}, {"optimizer": {"a": 1}}, {"window": {}}]
)
def test_a_checkpoint_of_another_training_is_named(tmp_path, changes):
    params = params_of(num_steps=1)
    saved = train(task_of(params), params, BASE, _made(tmp_path / "first"))
    folder = _made(tmp_path / "second")
    save_checkpoint(folder / CHECKPOINT, dataclasses.replace(saved, **changes))
    with pytest.raises(UserError, match="checkpoint.pt: not a checkpoint of this training; "):
        train(task_of(params), params, BASE, folder)


def test_the_log_has_each_level_and_the_steps_that_were_asked_for(tmp_path):
    params = params_of()
    train(task_of(params), params, BASE, tmp_path)
    rows = _rows(tmp_path)
    assert [row["step"] for row in rows if TRAIN_LOSS in row] == [3, 6, 7]
    assert [row["step"] for row in rows if VAL_LOSS in row] == [5, 7]
    validated = rows[-1]
    levels = [validated[level_key(VAL_LOSS, level)] for level in range(3)]
    assert validated[VAL_LOSS] == pytest.approx(sum(levels) / 3)
    previews = sorted(path.name for path in (tmp_path / PREVIEWS).iterdir())
    assert previews == ["step_00000006.png", "step_00000007.png"]


def test_the_learning_rate_of_the_last_step_stands_in_each_row_of_the_log(tmp_path):
    params = params_of(learning_rate=0.004, warmup_steps=4, learning_rate_decay="linear")
    saved = train(task_of(params), params, BASE, tmp_path)
    rates = {row["step"]: row[LEARNING_RATE] for row in _rows(tmp_path) if LEARNING_RATE in row}
    assert rates == pytest.approx({3: 0.003, 6: 0.004 * 2 / 3, 7: 0.004 / 3})
    assert saved.optimizer["param_groups"][0]["lr"] == rates[7]


def test_the_recipe_decides_what_a_training_becomes(tmp_path):
    """Each key of it by itself."""
    trained = {}
    for name, changes in {"plain": {}, **{key: {key: RECIPE[key]} for key in RECIPE}}.items():
        params = params_of(**changes)
        trained[name] = train(task_of(params), params, BASE, _made(tmp_path / name))
    plain = trained.pop("plain")
    for name, saved in trained.items():
        same = [torch.equal(plain.net[key], saved.net[key]) for key in plain.net]
        assert all(same) == (name == "ema_profile"), name
        assert not all(torch.equal(plain.ema[key], saved.ema[key]) for key in plain.ema), name


def test_the_speed_is_logged_apart_and_cut_back_with_the_log(tmp_path):
    params = params_of()
    train(task_of(params), params, BASE, tmp_path)
    speed = read_jsonl(tmp_path / SPEED)
    assert [row["step"] for row in speed] == [3, 6, 7]
    assert all(set(row) == {"step", STEPS_PER_SEC} and row[STEPS_PER_SEC] > 0 for row in speed)
    assert not any(STEPS_PER_SEC in row for row in _rows(tmp_path))
    cut_back(tmp_path, 5)
    assert [row["step"] for row in read_jsonl(tmp_path / SPEED)] == [3]


def test_the_distance_for_pruning_is_logged_at_each_preview_where_it_is_asked_for(tmp_path):
    params = params_of(frechet_samples=5)
    train(task_of(params), params, BASE, tmp_path)
    rows = [row for row in _rows(tmp_path) if VAL_PIXEL_FRECHET in row]
    assert [row["step"] for row in rows] == [6, 7]
    assert all(row[VAL_PIXEL_FRECHET] > 0 for row in rows)


def test_training_lowers_the_loss_below_that_of_a_zero_score(tmp_path):
    params = params_of(num_steps=48, log_every_steps=12, learning_rate=1e-2)
    task = task_of(params)
    train(task, params, BASE.model_copy(update={"checkpoint_every_sec": 1e9}), tmp_path)
    losses = [row[TRAIN_LOSS] for row in _rows(tmp_path) if TRAIN_LOSS in row]
    assert losses[-1] < 0.75 * 32 and losses[-1] < losses[0]  # D/2 = 32 for 64 pixels


def test_a_loss_that_is_not_a_number_stops_the_run_with_its_step(tmp_path):
    # beyond what params.yaml may hold, so that it happens at once
    params = params_of().model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"diverged by step 3: train/loss.*train.learning_rate"):
        train(task_of(params), params, BASE, tmp_path)


def test_a_checkpoint_carries_all_that_sampling_needs(tmp_path):
    params = params_of()
    saved = train(task_of(params), params, BASE, tmp_path)
    save_checkpoint(tmp_path / "c.pt", saved)
    loaded = load_checkpoint(tmp_path / "c.pt")
    net = build_trained_net(loaded.params, loaded.image_shape, loaded.ema)
    batch = Batch(torch.rand(2, 1, 8, 8, generator=generator("x")), torch.tensor([0, 2]), None)
    assert net(batch.x, batch.level).shape == (2, 1, 8, 8)
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, saved.ema[name])


def test_files_that_are_no_checkpoints_are_named(tmp_path):
    with pytest.raises(UserError, match="c.pt is missing"):
        load_checkpoint(tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"no")
    with pytest.raises(UserError, match="c.pt: not a file of tensors"):
        load_checkpoint(tmp_path / "c.pt")
    torch.save({"format": 99}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="format must be 1, got 99"):
        load_checkpoint(tmp_path / "c.pt")
