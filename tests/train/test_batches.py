"""Batches depend on (seed, step) alone and walk through the data epoch by epoch."""

import torch

from ncsn.base.rng import generator
from ncsn.data.arrays import as_floats
from ncsn.data.epochs import batch_indices
from ncsn.train.batches import draw_batch


def test_every_image_is_seen_once_an_epoch_whatever_the_batch_size():
    for size in (1, 3, 7, 10, 25):
        seen = torch.cat([batch_indices(10, size, 1, step) for step in range(100)])
        for epoch in range(len(seen) // 10):
            assert sorted(seen[10 * epoch : 10 * epoch + 10].tolist()) == list(range(10))


def test_batch_size_cuts_one_and_the_same_sequence():
    whole = batch_indices(10, 60, 5, 0)
    parts = torch.cat([batch_indices(10, 12, 5, step) for step in range(5)])
    assert torch.equal(whole, parts)


def test_epochs_and_seeds_differ():
    order = [batch_indices(50, 50, seed, step).tolist() for seed, step in ((1, 0), (1, 1), (2, 0))]
    assert order[0] != order[1] and order[0] != order[2]


def _images():
    return torch.arange(256, dtype=torch.uint8).repeat(4).view(16, 1, 8, 8)


def _batch(step, **changes):
    options = {"uniform_dequantisation": True, "random_flip": True, **changes}
    return draw_batch(_images(), 10, 64, 7, step, **options)


def test_a_step_can_be_drawn_alone():
    again, other = _batch(3), _batch(4)
    for first, second in zip(_batch(3), again, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(again.z, other.z)


def test_dequantisation_stays_inside_its_byte():
    k = torch.arange(256, dtype=torch.uint8)
    x = as_floats(k, generator("u"))
    assert torch.equal((256 * x).floor(), k.float())
    assert torch.equal(as_floats(k, None), k / 255)


def test_flips_mirror_about_half_of_the_images_and_only_left_to_right():
    plain = _batch(0, random_flip=False, uniform_dequantisation=False).x
    flipped = _batch(0, uniform_dequantisation=False).x
    mirrored = [torch.equal(a.flip(2), b) for a, b in zip(plain, flipped, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 16 <= sum(mirrored) <= 48  # 64 draws at 1/2: 4 standard deviations


def test_levels_are_uniform_and_noise_is_standard_normal():
    batches = [_batch(step) for step in range(100)]
    levels = torch.cat([batch.level for batch in batches]).bincount(minlength=10)
    z = torch.cat([batch.z.flatten() for batch in batches])
    assert levels.min() > 540 and levels.max() < 740  # 640 +- 4 standard deviations
    assert abs(float(z.mean())) < 0.007 and abs(float(z.std()) - 1) < 0.005


def test_without_flips_and_jitter_a_batch_is_its_images():
    chosen = _images()[batch_indices(16, 64, 7, 3)]
    plain = _batch(3, random_flip=False, uniform_dequantisation=False).x
    assert torch.equal(plain, chosen / 255)
    jittered = _batch(3, random_flip=False).x
    assert torch.equal((256 * jittered).floor(), chosen.float())
    assert not torch.equal(jittered, chosen / 255)
