"""Between two lines of the log a training asks its device for nothing: a GPU never waits.

On a CPU the questions can be counted: numbers read out of tensors, and copies between devices.
"""

import pytest
import torch
from tiny_training import BASE, params_of, task_of
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import ncsn.data.epochs
import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
from ncsn.data.epochs import batch_indices
from ncsn.train.loop import train

_READ_OUT = {"item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__", "__index__"}


class _Functions(TorchFunctionMode):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in _READ_OUT:
            self.note(func.__name__)
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.note(str(func))
        if func is torch.ops.aten._to_copy.default and (kwargs or {}).get("device") is not None:
            self.note("copy to a device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def asked(monkeypatch):
    """What was asked for during each step, by its number from 0."""
    found, step = {}, [None]
    inner = ncsn.train.loop._step

    def counted(task, state, *rest):
        step[0] = state.step
        inner(task, state, *rest)

    def note(name):
        if step[0] is not None:
            found.setdefault(step[0], []).append(name)

    monkeypatch.setattr(ncsn.train.loop, "_step", counted)
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 6)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)
    with _Functions(note), _Operations(note):
        yield found


@pytest.mark.parametrize("sigma_range", [None, (1.0, 0.1)])
def test_nothing_is_read_out_between_lines_of_the_log(tmp_path, asked, sigma_range):
    few = {"num_steps": 8, "log_every_steps": 4, "validate_every_steps": 99}
    params = params_of(**few, preview_every_steps=99)
    train(task_of(params, sigma_range), params, BASE, tmp_path)
    assert sorted(asked) == [3, 7], asked  # the steps that end with a line


@pytest.mark.parametrize("planted", [float, torch.Tensor.tolist, torch.Tensor.item, bool])
def test_a_planted_question_is_noticed(tmp_path, asked, monkeypatch, planted):
    inner = ncsn.train.loop.ladder_index
    monkeypatch.setattr(
        ncsn.train.loop, "ladder_index", lambda level, s: planted(s[0]) and inner(level, s)
    )
    params = params_of(num_steps=3, log_every_steps=9, preview_every_steps=9)
    train(task_of(params), params, BASE, tmp_path)
    assert sorted(asked) == [0, 1, 2]


def test_a_permutation_moves_to_the_device_once_an_epoch():
    """The device `meta` holds no numbers, but knows what comes to it."""
    ncsn.data.epochs._permutation.cache_clear()
    moved = []
    with _Operations(moved.append):
        steps = [batch_indices(20, 5, 1, step, "meta") for step in range(8)]  # two epochs
    assert all(step.is_meta and step.shape == (5,) for step in steps)
    assert moved == ["copy to a device"] * 2
