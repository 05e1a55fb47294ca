"""Dotted keys and nested values are two forms of the same."""

import pytest

from ncsn.base.dotted import flattened, set_values, value_at, with_values

NESTED = {"sampler": {"name": "a", "epsilon": 0.1}, "noise": {"num_levels": 3}}
DOTTED = {"sampler.name": "a", "sampler.epsilon": 0.1, "noise.num_levels": 3}


def test_there_and_back():
    assert flattened(NESTED) == DOTTED
    assert with_values({}, DOTTED) == NESTED
    assert {key: value_at(NESTED, key) for key in DOTTED} == DOTTED


def test_a_copy_is_changed_and_not_what_it_was_made_of():
    changed = with_values(NESTED, {"sampler.epsilon": 0.2})
    assert changed["sampler"] == {"name": "a", "epsilon": 0.2}
    assert flattened(NESTED) == DOTTED


@pytest.mark.parametrize("key", ["sampler.eps", "sample.epsilon", "sampler"])
def test_only_keys_that_are_there_are_set(key):
    document = with_values(NESTED, {})
    if key == "sampler":
        set_values(document, {key: {}})
        assert document["sampler"] == {}
    else:
        with pytest.raises(KeyError):
            set_values(document, {key: 1})
        assert document == NESTED
