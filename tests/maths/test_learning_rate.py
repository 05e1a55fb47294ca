"""Factors of the learning rate."""

import pytest

from ncsn.maths.learning_rate import constant_decay, cosine_decay, linear_decay, warmup_factor


def test_a_warm_up_rises_by_equal_steps_from_the_first_and_ends_at_one():
    assert [warmup_factor(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [warmup_factor(step, 0) for step in range(2)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("decay", "values"),
    [
        (constant_decay, [1, 1, 1, 1]),
        (linear_decay, [1, 3 / 4, 1 / 2, 0]),
        (cosine_decay, [1, 0.5 + 0.5 / 2**0.5, 1 / 2, 0]),
    ],
)
def test_a_decay_has_its_values_at_start_quarter_middle_and_end(decay, values):
    assert [decay(p) for p in (0, 1 / 4, 1 / 2, 1)] == pytest.approx(values, abs=1e-12)
