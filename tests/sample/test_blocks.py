"""Samples do not depend on batch size, on how many are drawn, or on an interruption."""

import threading
import time

import numpy as np
import pytest
import torch

import ncsn.sample.blocks
from ncsn.base.errors import UserError
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.config.params import SampleParams, SamplerParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.runtime.threads import computing_threads
from ncsn.sample.blocks import Draw, draw_samples

SIGMAS = geometric_sigmas(1.0, 0.05, 4)
SAMPLER = SamplerParams(
    name="annealed_langevin", epsilon=5e-4, steps_per_level=3, final_denoise=True
)


def _score(x, level):
    """Of a Gaussian around grey, noised."""
    return (0.5 - x) / (0.2**2 + SIGMAS[level].float().view(-1, 1, 1, 1) ** 2)


def _drawn(
    folder, num_samples=10, max_batch_size=1000, score=_score, side_by_side=False, **changes
):
    values = {"seed": 5, "block_size": 4, "num_trajectory_images": 2, "precision": "fp32"}
    values |= changes
    params = SampleParams(num_samples=num_samples, **values)
    draw = Draw(
        build_sampler(SAMPLER, SIGMAS),
        score,
        (3, 5, 6),
        evaluations_per_image(SAMPLER, 4),
        side_by_side=side_by_side,
    )
    folder.mkdir(exist_ok=True)
    return draw_samples(draw, params, max_batch_size, folder)


def test_the_batch_size_changes_nothing(tmp_path):
    small = _drawn(tmp_path / "a", max_batch_size=1)
    large = _drawn(tmp_path / "b", max_batch_size=8)
    assert small.images.shape == (10, 5, 6, 3) and small.images.dtype == np.uint8
    assert np.array_equal(small.images, large.images)
    assert np.array_equal(small.states, large.states)


@pytest.mark.parametrize("max_batch_size", [8, 16, 1000])
def test_threads_side_by_side_draw_the_same_bits(tmp_path, max_batch_size):
    names, sizes, gate = set(), set(), threading.Barrier(2, timeout=20)

    def scores(x, level):
        if threading.current_thread().name not in names:
            names.add(threading.current_thread().name)
            gate.wait()  # passes when two threads are inside
        sizes.add(len(x))
        assert torch.get_num_threads() == 1 and torch.is_inference_mode_enabled()
        return _score(x, level)

    alone = _drawn(tmp_path / "a", num_samples=18)
    with computing_threads(2):
        drawing = {"score": scores, "side_by_side": True, "max_batch_size": max_batch_size}
        beside = _drawn(tmp_path / "b", num_samples=18, **drawing)
        assert torch.get_num_threads() == 2
    assert len(names) == 2 and max(sizes) <= max_batch_size // 2
    assert np.array_equal(alone.images, beside.images)
    assert np.array_equal(alone.states, beside.states)


def test_memory_for_one_block_is_one_thread(tmp_path):
    names = set()

    def scores(x, level):
        names.add(threading.current_thread().name)
        return _score(x, level)

    with computing_threads(2):
        _drawn(tmp_path / "a", max_batch_size=4, score=scores, side_by_side=True)
    assert names == {threading.current_thread().name}


def test_an_error_in_one_thread_ends_the_others_in_the_midst_of_their_blocks(tmp_path):
    names, late, gate = [], [], threading.Barrier(2, timeout=20)

    def scores(x, level):
        name = threading.current_thread().name
        if name not in names:
            names.append(name)
            gate.wait()
            if name == names[0]:
                raise ValueError("of one thread")
        late.append(name)
        time.sleep(0.1)
        return _score(x, level)

    with computing_threads(2), pytest.raises(ValueError, match="of one thread"):
        _drawn(tmp_path / "a", score=scores, max_batch_size=8, side_by_side=True)
    assert len(late) < 8  # of the 13 evaluations of its block
    assert not list((tmp_path / "a").glob("block_*.npz"))


def test_a_draw_goes_on_side_by_side_after_an_interruption(tmp_path):
    calls = []

    def killed_later(x, level):
        calls.append(1)
        if len(calls) == 60:
            raise KeyboardInterrupt
        return _score(x, level)

    drawing = {"num_samples": 40, "max_batch_size": 8, "side_by_side": True}
    with computing_threads(2):
        with pytest.raises(KeyboardInterrupt):
            _drawn(tmp_path / "a", score=killed_later, **drawing)
        assert 1 <= len(list((tmp_path / "a").glob("block_*.npz"))) < 10
        resumed = _drawn(tmp_path / "a", **drawing)
    assert np.array_equal(resumed.images, _drawn(tmp_path / "b", num_samples=40).images)


def test_image_i_is_the_same_however_many_are_drawn(tmp_path):
    few, many = _drawn(tmp_path / "a", num_samples=6), _drawn(tmp_path / "b", num_samples=13)
    assert np.array_equal(few.images, many.images[:6])


def test_seeds_and_blocks_differ(tmp_path):
    first, second = _drawn(tmp_path / "a"), _drawn(tmp_path / "b", seed=6)
    assert not np.array_equal(first.images, second.images)
    assert not np.array_equal(first.images[:4], first.images[4:8])


def test_an_interrupted_draw_goes_on_at_the_next_block(tmp_path):
    calls = 0

    def killed_later(x, level):
        nonlocal calls
        calls += 1
        if calls > 20:  # 13 evaluations a block: inside the second
            raise KeyboardInterrupt
        return _score(x, level)

    with pytest.raises(KeyboardInterrupt):
        _drawn(tmp_path / "a", max_batch_size=4, score=killed_later)
    assert len(list((tmp_path / "a").iterdir())) == 1
    calls = -1000
    resumed = _drawn(tmp_path / "a", max_batch_size=4, score=killed_later)
    assert calls == -1000 + 2 * 13
    whole = _drawn(tmp_path / "b")
    assert np.array_equal(resumed.images, whole.images)
    assert np.array_equal(resumed.states, whole.states)


def test_the_path_ends_with_the_states_before_the_final_denoising(tmp_path):
    samples = _drawn(tmp_path / "a")
    assert samples.states.shape == (5, 2, 5, 6, 3)
    assert samples.state_sigmas.tolist() == [0.0, *SIGMAS.tolist()]
    assert not np.array_equal(samples.states[0], samples.states[1])


def test_a_chain_that_leaves_the_numbers_is_reported(tmp_path):
    with pytest.raises(UserError, match="sampling diverged in block 0.*sampler.epsilon"):
        _drawn(tmp_path / "a", score=lambda x, _: x * 1e30)


def test_evaluations_are_counted():
    assert evaluations_per_image(SAMPLER, 4) == 13


def test_a_chain_starts_from_uniform_noise(tmp_path):
    """All bytes are equally frequent at the start; of a normal start 2/3 would lie at the ends."""
    samples = _drawn(tmp_path / "a", num_samples=400, block_size=400, num_trajectory_images=400)
    counts = np.bincount(samples.states[0].ravel(), minlength=256)
    expected = samples.states[0].size / 256
    assert abs(counts - expected).max() < 5 * expected**0.5


def test_seconds_are_those_of_the_whole_draw_however_many_blocks_go_at_once(tmp_path, monkeypatch):
    """On a clock that moves one second with each evaluation of the network."""
    now = 0.0

    def slow(x, level):
        nonlocal now
        now += 1
        return _score(x, level)

    monkeypatch.setattr(ncsn.sample.blocks.time, "perf_counter", lambda: now)
    for at_once, groups in ((4, 3), (8, 2), (100, 1)):
        samples = _drawn(tmp_path / str(at_once), max_batch_size=at_once, score=slow)
        assert samples.seconds == pytest.approx(groups * 13)


def test_as_many_images_are_drawn_as_were_asked_for_in_as_few_blocks_as_hold_them(tmp_path):
    for num_samples in (2, 4, 5, 8):
        samples = _drawn(tmp_path / str(num_samples), num_samples=num_samples)
        assert len(samples.images) == num_samples
        assert len(list((tmp_path / str(num_samples)).iterdir())) == -(-num_samples // 4)


def test_blocks_are_drawn_once_each(tmp_path):
    drawn = 0

    def counted(x, level):
        nonlocal drawn
        drawn += len(x)
        return _score(x, level)

    _drawn(tmp_path / "a", num_samples=13, max_batch_size=4, score=counted)
    assert drawn == 13 * 13


def test_a_long_path_shows_twelve_levels_evenly_from_the_first_to_the_last(tmp_path):
    sigmas = geometric_sigmas(1.0, 0.05, 40)
    params = SampleParams(
        num_samples=2, seed=5, block_size=4, num_trajectory_images=2, precision="fp32"
    )
    draw = Draw(build_sampler(SAMPLER, sigmas), lambda x, _: -x, (1, 2, 2), 121)
    samples = draw_samples(draw, params, 4, tmp_path)
    start, *shown = samples.state_sigmas.tolist()
    levels = [sigmas.tolist().index(sigma) for sigma in shown]
    assert start == 0 and len(levels) == 12
    assert (levels[0], levels[-1]) == (0, 39)
    assert set(np.diff(levels)) == {3, 4}
