"""Watching shows the averaged weights, with the scores that the stage `sample` would take."""

import pytest
import torch
from tiny_training import BASE, params_of, task_of
from torch.func import functional_call

import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
from ncsn.maths.ema import WeightAverage, exponential_profile
from ncsn.runtime.way import chosen_way
from ncsn.train.loop import CHECKPOINT, train
from ncsn.train.watching import averaged_net, watching_evaluations


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 6)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


def test_the_watched_network_follows_the_average_without_a_copy():
    net = task_of(params_of()).net
    average = WeightAverage(net, exponential_profile(0.5))
    twin = averaged_net(net, average)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    average.update()
    x, level = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 2])
    with torch.no_grad():
        expected = functional_call(net, average.state_dict(), (x, level))
        assert torch.equal(twin(x, level), expected)
    for name, parameter in twin.named_parameters():
        assert torch.equal(parameter, average.state_dict()[name]) and not parameter.requires_grad
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_training_and_watching_are_told_the_whole_work_also_after_a_resume(tmp_path, monkeypatch):
    """What is compiled must not depend on what is left, or a resumed training changes its way."""
    told = []

    def kept(precision, base, device, flops, *began_in):
        told.append(flops)
        return chosen_way(precision, base, device, flops, *began_in)

    for module in (ncsn.train.loop, ncsn.train.watching):
        monkeypatch.setattr(module, "chosen_way", kept)
    base, params = BASE.model_copy(update={"checkpoint_every_sec": 1e-9}), params_of()
    train(task_of(params), params, base, tmp_path)
    assert (tmp_path / CHECKPOINT).exists()
    first, second = told[:2], None
    train(task_of(params), params, base, tmp_path)
    second = told[2:]
    assert first == second and len(first) == 2 and min(first) > 0


def test_the_evaluations_of_watching_are_those_of_its_parts():
    params = params_of(
        num_steps=100, validate_every_steps=50, preview_every_steps=25, frechet_samples=10
    )
    assert watching_evaluations(params) == 2 * 6 + 4 * (16 + 10) * 3
