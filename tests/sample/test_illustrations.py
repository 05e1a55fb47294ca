"""Completions keep what was given; the baseline costs what a sample costs and shares its noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ncsn.builders.sampler import build_sampler
from ncsn.config.params import IllustrateParams, SampleParams, SamplerParams
from ncsn.maths.exact_score import DataScore
from ncsn.maths.ladder import geometric_sigmas
from ncsn.sample.blocks import Draw, draw_samples
from ncsn.sample.illustrations import Scene, draw_baseline, draw_inpainting, known_halves

SIGMAS = geometric_sigmas(1.0, 0.05, 4)
SAMPLER = SamplerParams(
    name="annealed_langevin", epsilon=5e-4, steps_per_level=3, final_denoise=True
)
SAMPLE = SampleParams(
    seed=5, num_samples=20, block_size=4, num_trajectory_images=2, precision="fp32"
)
PARAMS = IllustrateParams(num_inpainted=3, num_completions=4, num_baseline=6)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


def score(x, level):
    """Of a Gaussian around grey, noised."""
    return (0.5 - x) / (0.2**2 + SIGMAS[level].float().view(-1, 1, 1, 1) ** 2)


def scene(score_fn=score, sampler=SAMPLER, seed=5, max_batch_size=1000):
    return Scene(
        score_fn,
        SIGMAS,
        (3, 6, 7),
        sampler,
        SAMPLE.model_copy(update={"seed": seed}),
        max_batch_size,
    )


def test_masks_are_the_two_sides_and_share_a_middle_column():
    left, right = known_halves(2, 4)
    assert left.tolist() == [[False, False, True, True]] * 2
    assert (right == ~left).all()
    left, right = known_halves(1, 5)
    assert left.tolist() == [[False, False, True, True, True]]
    assert right.tolist() == [[True, True, True, False, False]]


@pytest.mark.parametrize("final_denoise", [False, True])
def test_known_pixels_stay_exactly_and_completions_differ(tmp_path, final_denoise):
    sampler = SAMPLER.model_copy(update={"final_denoise": final_denoise})
    drawn = draw_inpainting(scene(sampler=sampler), IMAGES, PARAMS, tmp_path)
    assert np.array_equal(drawn.originals, IMAGES[:3])
    assert drawn.completions.shape == (2, 3, 4, 6, 7, 3) and drawn.completions.dtype == np.uint8
    for known, filled in zip(drawn.known, drawn.completions, strict=True):
        given = np.broadcast_to(IMAGES[:3, None], filled.shape)
        assert np.array_equal(filled[:, :, known], given[:, :, known])
        unknown = filled[:, :, ~known]
        for first in range(12):
            for second in range(first):
                flat = unknown.reshape(12, -1)
                assert not np.array_equal(flat[first], flat[second])


def test_every_byte_survives_as_a_known_pixel(tmp_path):
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    whole = replace(scene(), image_shape=(1, 16, 16))
    drawn = draw_inpainting(whole, images, PARAMS, tmp_path)
    for known, filled in zip(drawn.known, drawn.completions[:, 0, 0], strict=True):
        assert np.array_equal(filled[known], images[0][known])


def test_a_completion_follows_from_the_half_that_is_given(tmp_path):
    """With the exact score of two images, the given half decides which of them comes out."""
    images = np.zeros((2, 6, 6, 1), dtype=np.uint8)
    images[0], images[1] = 60, 200
    points = torch.from_numpy(images).movedim(-1, 1) / 255
    sigmas = geometric_sigmas(1.0, 0.02, 12)
    sampler = SAMPLER.model_copy(update={"epsilon": 1e-4, "steps_per_level": 10})
    place = replace(
        scene(DataScore(points, sigmas), sampler), sigmas=sigmas, image_shape=(1, 6, 6)
    )
    drawn = draw_inpainting(place, images, PARAMS, tmp_path)
    expected = images[None, :, None].astype(int)
    assert np.abs(drawn.completions.astype(int) - expected).max() < 30


def test_the_baseline_asks_the_last_level_as_often_as_the_annealed_chain(tmp_path):
    asked = []

    def counted(x, level):
        asked.append((len(x), set(level.tolist())))
        return score(x, level)

    place = scene(counted)
    draw_baseline(place, PARAMS, tmp_path / "baseline")
    assert all(levels == {len(SIGMAS) - 1} for _, levels in asked)
    baseline = sum(count for count, _ in asked)
    asked.clear()
    draw = Draw(build_sampler(SAMPLER, SIGMAS), counted, (3, 6, 7), place.evaluations)
    wanted = SAMPLE.model_copy(update={"num_samples": 6})
    draw_samples(draw, wanted, 1000, tmp_path / "annealed")
    annealed = sum(count for count, _ in asked)
    assert baseline == annealed == 6 * place.evaluations
    asked.clear()
    draw_inpainting(place, IMAGES, PARAMS, tmp_path / "inpainting")
    assert sum(count for count, _ in asked) == 2 * 3 * 4 * place.evaluations


def test_the_baseline_starts_from_the_noise_of_the_samples_of_the_same_number(tmp_path):
    """With a score of zero and one step, both chains add the same noise to the same start."""
    sampler = SAMPLER.model_copy(update={"steps_per_level": 1, "final_denoise": False})
    place = replace(scene(lambda x, level: torch.zeros_like(x), sampler), sigmas=SIGMAS[:1])
    draw = Draw(build_sampler(sampler, SIGMAS[:1]), place.score_fn, (3, 6, 7), 1)
    samples = draw_samples(draw, SAMPLE, 1000, tmp_path / "samples").images
    assert np.array_equal(draw_baseline(place, PARAMS, tmp_path / "baseline"), samples[:6])


def test_the_seed_decides_and_the_batch_size_does_not(tmp_path):
    first, again, other = (
        (
            draw_inpainting(s, IMAGES, PARAMS, tmp_path / f"i{n}").completions,
            draw_baseline(s, PARAMS, tmp_path / f"b{n}"),
        )
        for n, s in enumerate((scene(), scene(max_batch_size=1), scene(seed=6)))
    )
    for one, two, three in zip(first, again, other, strict=True):
        assert np.array_equal(one, two) and not np.array_equal(one, three)
