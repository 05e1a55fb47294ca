"""Generators named by integers."""

import torch

from ncsn.base.rng import generator, mixed_seed


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


def test_names_that_differ_in_where_a_part_ends_are_different_names():
    assert mixed_seed(1, "ab", "c") != mixed_seed(1, "a", "bc")
    assert mixed_seed("a", "str:b") != mixed_seed("astr:", "b")  # one text without separators
    assert mixed_seed(1, 23) != mixed_seed(12, 3)


def test_seeds_use_all_of_their_63_bits():
    """Ones are as frequent as zeros in each bit; of 64 bits the highest would be a sign."""
    seeds = torch.tensor([mixed_seed(n) for n in range(1000)])
    for bit in range(63):
        assert abs(float(((seeds >> bit) & 1).double().mean()) - 0.5) < 0.08, bit  # 5 deviations
    assert int(seeds.min()) >= 0
