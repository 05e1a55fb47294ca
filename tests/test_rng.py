"""Generators named by integers."""

import torch

from ncsn.rng import generator, mixed_seed


def test_a_name_gives_one_stream_and_another_name_another():
    names = [
        (1, "train", 2),
        (1, "train", 3),
        (2, "train", 2),
        (1, "sample", 2),
        (12, "train"),
        (1, "2train"),
    ]
    draws = [tuple(torch.rand(4, generator=generator(*name)).tolist()) for name in names]
    assert len(set(draws)) == len(names)
    assert tuple(torch.rand(4, generator=generator(1, "train", 2)).tolist()) == draws[0]


def test_numbers_and_their_text_are_different_names():
    assert mixed_seed(1) != mixed_seed("1")


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=generator("x"))
    assert torch.equal(torch.get_rng_state(), before)
