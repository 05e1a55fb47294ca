"""Checkpoints written behind a training: whole, of one moment, and no error of theirs is lost."""

import threading
import time
from dataclasses import replace

import pytest
import torch
from tiny_training import BASE, params_of, task_of

import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
import ncsn.train.writer
from ncsn.base.files import whole_file
from ncsn.train.checkpoint import load_checkpoint, save_checkpoint
from ncsn.train.loop import CHECKPOINT, train
from ncsn.train.writer import THREAD, CheckpointWriter, snapshot

OFTEN = BASE.model_copy(update={"checkpoint_every_sec": 1e-9})


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 6)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


@pytest.fixture
def trained(tmp_path):
    params = params_of(num_steps=2)
    (tmp_path / "trained").mkdir()
    return train(task_of(params), params, BASE, tmp_path / "trained")


def _slow(monkeypatch):
    """Lets the thread wait, before it writes, for the event that is returned."""
    go, inner = threading.Event(), save_checkpoint

    def saved(path, checkpoint):
        assert go.wait(20)
        inner(path, checkpoint)

    monkeypatch.setattr(ncsn.train.writer, "save_checkpoint", saved)
    return go


def test_a_file_is_of_the_moment_of_the_call_however_the_training_goes_on(
    tmp_path, trained, monkeypatch
):
    save_checkpoint(tmp_path / "then.pt", trained)
    go = _slow(monkeypatch)
    with CheckpointWriter(tmp_path / CHECKPOINT) as writer:
        writer.write(trained)
        for weights in (trained.net, trained.ema, trained.window):
            for tensor in weights.values():
                tensor.zero_()
        for state in trained.optimizer["state"].values():
            state["exp_avg"].zero_()
        assert not (tmp_path / CHECKPOINT).exists()
        go.set()
    assert (tmp_path / CHECKPOINT).read_bytes() == (tmp_path / "then.pt").read_bytes()


def test_a_training_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    """The loop comes to its last step while the checkpoint of its first one waits."""
    go, steps, inner = _slow(monkeypatch), [], ncsn.train.loop._step
    params = params_of(num_steps=4)

    def counted(task, state, *rest):
        inner(task, state, *rest)
        steps.append(state.step)
        if state.step == 3:
            go.set()

    clock = iter([0.0, 100.0, *[100.0] * 20])
    monkeypatch.setattr(ncsn.train.loop, "_step", counted)
    monkeypatch.setattr(ncsn.train.loop.time, "monotonic", lambda: next(clock))
    base = BASE.model_copy(update={"checkpoint_every_sec": 60.0})
    train(task_of(params), params, base, tmp_path)
    assert steps == [1, 2, 3, 4] and load_checkpoint(tmp_path / CHECKPOINT).step == 1


def test_an_error_of_the_thread_ends_the_training(tmp_path, monkeypatch):
    def full(path, checkpoint):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(ncsn.train.writer, "save_checkpoint", full)
    params = params_of(num_steps=500, log_every_steps=500)
    with pytest.raises(OSError, match="No space left"):
        train(task_of(params), params, OFTEN, tmp_path)


def test_an_error_comes_up_at_the_next_step_not_at_the_next_checkpoint(tmp_path, monkeypatch):
    steps, inner = [], ncsn.train.loop._step

    def full(path, checkpoint):
        raise OSError("full")

    def counted(task, state, *rest):
        inner(task, state, *rest)
        steps.append(state.step)
        while any(thread.name == THREAD for thread in threading.enumerate()):
            time.sleep(0.01)

    clock = iter([0.0, *[100.0] * 20])
    monkeypatch.setattr(ncsn.train.writer, "save_checkpoint", full)
    monkeypatch.setattr(ncsn.train.loop, "_step", counted)
    monkeypatch.setattr(ncsn.train.loop.time, "monotonic", lambda: next(clock))
    base = BASE.model_copy(update={"checkpoint_every_sec": 60.0})
    with pytest.raises(OSError, match="full"):
        train(task_of(params_of()), params_of(), base, tmp_path)
    assert steps == [1, 2]


def test_an_error_of_the_last_file_comes_up_too_but_not_over_the_training_s_own(
    tmp_path, trained, monkeypatch
):
    def full(path, checkpoint):
        raise OSError("full")

    monkeypatch.setattr(ncsn.train.writer, "save_checkpoint", full)
    with pytest.raises(OSError, match="full"), CheckpointWriter(tmp_path / CHECKPOINT) as writer:
        writer.write(trained)
    with pytest.raises(KeyboardInterrupt), CheckpointWriter(tmp_path / CHECKPOINT) as writer:
        writer.write(trained)
        raise KeyboardInterrupt


def test_a_killed_writer_leaves_the_file_before(tmp_path, trained, monkeypatch):
    save_checkpoint(tmp_path / CHECKPOINT, trained)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def half(path, checkpoint):
        with whole_file(path) as partial:
            partial.write_bytes(before[:100])
            raise SystemExit  # as near to a kill as a thread of this process comes

    monkeypatch.setattr(ncsn.train.writer, "save_checkpoint", half)
    with pytest.raises(SystemExit), CheckpointWriter(tmp_path / CHECKPOINT) as writer:
        writer.write(replace(trained, step=9))
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_copy_shares_nothing_with_the_training_and_keeps_what_is_one(trained):
    twin = replace(trained, ema=trained.net)
    copied = snapshot(twin)
    for name, tensor in twin.net.items():
        assert copied.net[name] is copied.ema[name]
        assert copied.net[name].data_ptr() != tensor.data_ptr()
        assert torch.equal(copied.net[name], tensor)


def test_where_memory_runs_out_the_copy_goes_to_the_cpu(trained, monkeypatch):
    def no_memory(tensor):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(ncsn.train.writer.torch, "clone", no_memory)
    monkeypatch.setattr(ncsn.train.writer.torch.cuda, "empty_cache", lambda: None)
    assert all(tensor.device.type == "cpu" for tensor in snapshot(trained).net.values())
