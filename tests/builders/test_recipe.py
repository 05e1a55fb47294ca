"""Rates, levels and averages as the section train has them."""

import math

import pytest
import torch
from tiny_training import NOISE, params_of

from ncsn.base.rng import generator
from ncsn.builders.recipe import (
    build_average_profile,
    build_learning_rate,
    build_level_sampling,
)
from ncsn.builders.score_net import trained_sigmas
from ncsn.maths.ema import power_of_length

SIGMAS = trained_sigmas(NOISE)


@pytest.mark.parametrize("warmup", [0, 1, 20, 100])
@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
def test_the_rate_at_the_start_at_the_end_of_the_warm_up_and_at_the_last_step(warmup, decay):
    params = params_of(
        num_steps=100, learning_rate=0.004, warmup_steps=warmup, learning_rate_decay=decay
    )
    rate = build_learning_rate(params)
    assert rate(0) == pytest.approx(0.004 / max(warmup, 1))
    if warmup:
        assert rate(warmup - 1) == 0.004  # to the bit: the largest rate is that of params.yaml
    if warmup < 100:
        assert rate(warmup) == 0.004
        left = 1 / (100 - warmup)  # of the decay, at the last step
        last = {"constant": 1, "linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2}
        assert rate(99) == pytest.approx(0.004 * last[decay])
    rates = [rate(step) for step in range(100)]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert min(rates) > 0  # a step that moves nothing would be lost


def test_by_default_the_rate_is_that_of_the_file_to_the_bit():
    rate = build_learning_rate(params_of(num_steps=10, learning_rate=0.003))
    assert {rate(step) for step in range(10)} == {0.003}


def test_the_average_is_the_one_that_is_asked_for():
    exponential = build_average_profile(params_of(ema_decay=0.9))
    assert [exponential(n) for n in (1, 1000)] == [2 / 11, 0.9]
    power = build_average_profile(params_of(ema_profile="power", ema_length=0.1))
    exponent = power_of_length(0.1) + 1
    assert [power(n) for n in (1, 1000)] == pytest.approx([0.0, 0.999**exponent])


def test_levels_are_drawn_alike_by_the_paper_and_by_the_power_that_is_asked_for():
    assert build_level_sampling(params_of(), SIGMAS, None) is None
    uniform = torch.rand(1000, generator=generator("u"))
    by_power = build_level_sampling(params_of(level_sampling_power=-1.0), SIGMAS, None)
    counts = by_power(uniform).bincount(minlength=3)
    assert by_power(uniform).dtype == torch.int64 and counts[0] < counts[1] < counts[2]
    for power, below in ((0.0, 0.5), (-1.0, 0.76), (1.0, 0.24)):
        at = build_level_sampling(params_of(level_sampling_power=power), SIGMAS, (1.0, 0.1))
        share = float((at(uniform) < 0.1**0.5).float().mean())  # of the smaller half of the range
        assert share == pytest.approx(below, abs=0.05), power
