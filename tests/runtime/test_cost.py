"""FLOPs are those of a count by hand; the forecast says one line, once."""

import pytest
import torch
from torch import nn

import ncsn.runtime.cost
from ncsn.builders.score_net import build_score_net, build_sigmas
from ncsn.config.params import ModelParams, NoiseParams
from ncsn.runtime.cost import Forecast, forward_flops, training_flops

LADDER = {"training": "ladder", "range_max": 1.0, "range_min": 0.01}
CPU = torch.device("cpu")


def _net(base_channels=4, shape=(1, 8, 8)):
    noise = NoiseParams(sigma_max=1.0, sigma_min=0.1, num_levels=3, **LADDER)
    model = ModelParams(name="ncsn", base_channels=base_channels)
    return build_score_net(model, build_sigmas(noise), shape)


class _OneConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x, level):
        return self.conv(x)


def test_a_convolution_costs_two_flops_per_weight_and_pixel():
    net, by_hand = _OneConv(), 2 * 3 * 5 * 9 * 6 * 7
    assert forward_flops(net, (3, 6, 7)) == by_hand
    assert training_flops(net, (3, 6, 7)) == 2 * by_hand  # the image needs no gradient


def test_training_costs_three_evaluations_less_the_first_layer_s_input():
    net = _net()
    first_layer = 2 * 1 * 4 * 9 * 64
    assert training_flops(net, (1, 8, 8)) == 3 * forward_flops(net, (1, 8, 8)) - first_layer
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.slow
def test_the_paper_s_network_costs_19_gflop_per_evaluation():
    assert forward_flops(_net(128, (3, 32, 32)), (3, 32, 32)) == pytest.approx(19.400e9, rel=1e-4)


def test_an_exact_score_has_no_training_to_pay():
    class Exact(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("points", torch.zeros(2, 1, 2, 2))

        def forward(self, x, level):
            return x @ x

    assert training_flops(Exact(), (1, 2, 2)) == 0
    assert forward_flops(Exact(), (1, 2, 2)) == 2 * 2**3


def test_the_forecast_says_one_line_after_the_warm_up(monkeypatch, capsys):
    clock = iter(range(100))
    monkeypatch.setattr(ncsn.runtime.cost.time, "perf_counter", lambda: float(next(clock)))
    forecast = Forecast("train", "image", 6400, 10**9, CPU)
    for _ in range(30):
        forecast.update(64)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    # 9 steps between readings at 0 s and 3 s, after 3 that do not count
    assert lines[0].startswith(
        "train: 1 GFLOP per image, 6.21 TFLOP to do; 192 images/s (192 GFLOP"
    )
    assert lines[0].endswith("29 s to go")


def test_calls_that_compile_and_capture_are_no_part_of_the_rate(monkeypatch, capsys):
    """They take a minute here, and each later call a tenth of a second."""
    now = [0.0]
    monkeypatch.setattr(ncsn.runtime.cost.time, "perf_counter", lambda: now[0])
    forecast = Forecast("train", "image", 64_000, 10**9, CPU)
    for call in range(30):
        now[0] += 60.0 if call < 3 else 0.1
        forecast.update(64)
    assert " 640 images/s " in capsys.readouterr().err


def test_work_without_a_cost_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(ncsn.runtime.cost, "WARM_UP_SEC", 0.0)
    forecast = Forecast("sample", "evaluation", 10**6, 0, CPU)
    for _ in range(30):
        forecast.update(10)
    assert capsys.readouterr().err == ""
