"""Laws of the report's tables."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.maths.ladder import geometric_sigmas
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.tables import (
    bar_table,
    final_level_losses,
    least_level_losses,
    level_losses,
    loss_curve,
    metric_rows,
    metric_table,
    smoothed,
    smoothing_window,
)

Results = Callable[..., ReportInputs]
TEN_LEVELS = geometric_sigmas(1.0, 0.01, 10).tolist()


def test_curves_keep_training_and_validation_apart(make_results: Results) -> None:
    log = make_results().log
    training, validation = (
        loss_curve(log, training_names.TRAIN_LOSS),
        loss_curve(log, training_names.VAL_LOSS),
    )
    assert list(training["step"]) == list(range(50, 1501, 50))
    assert list(validation["step"]) == list(range(250, 1501, 250))


def test_a_running_mean_leaves_a_straight_start_and_a_constant_alone() -> None:
    line = pd.DataFrame({"step": range(40), "loss": np.arange(40.0)})
    half = smoothing_window(40) // 2
    np.testing.assert_allclose(smoothed(line)[:-half], line["loss"][:-half])
    flat = line.assign(loss=3.0)
    np.testing.assert_allclose(smoothed(flat), 3.0)


def test_a_running_mean_lowers_the_variance_by_its_width() -> None:
    noise = np.random.default_rng(0).normal(size=20_000)
    curve = pd.DataFrame({"step": range(len(noise)), "loss": noise})
    inside = smoothed(curve)[1000:-1000]
    assert inside.var() * smoothing_window(len(noise)) == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize("num_levels", [1, 10, 232])
def test_levels_meet_the_sigmas_of_the_ladder(make_results: Results, num_levels: int) -> None:
    sigma_max = 50.0 if num_levels > 1 else 0.01
    ladder = geometric_sigmas(sigma_max, 0.01, num_levels)
    log = make_results(num_levels=num_levels, sigma_max=sigma_max, num_steps=500).log
    losses = level_losses(log, ladder.tolist())
    assert losses is not None and losses.key == training_names.VAL_LOSS
    final = final_level_losses(losses)
    np.testing.assert_allclose(final["sigma"], ladder.numpy(), rtol=1e-12)
    last = [line for line in log if training_names.VAL_LOSS in line][-1]
    expected = [
        last[training_names.level_key(training_names.VAL_LOSS, level)]
        for level in range(num_levels)
    ]
    assert list(final["loss"]) == expected


def test_training_lines_stand_in_where_nothing_was_validated(make_results: Results) -> None:
    losses = level_losses(make_results(validated=False).log, TEN_LEVELS)
    assert losses is not None and losses.key == training_names.TRAIN_LOSS
    assert level_losses([], TEN_LEVELS) is None


def test_a_level_that_a_line_leaves_out_keeps_its_last_loss() -> None:
    log = [
        {"step": 1, "train/loss_level_00": 5.0, "train/loss_level_01": 7.0},
        {"step": 2, "train/loss_level_00": 4.0},
    ]
    losses = level_losses(log, TEN_LEVELS)
    assert losses is not None
    assert list(final_level_losses(losses)["loss"]) == [4.0, 7.0]


def test_every_metric_names_extractor_layer_and_number_of_images(make_results: Results) -> None:
    results = make_results(num_samples=500)
    rows = metric_rows(results.metrics, results.reference, "test", 64)
    assert [row.key for row in rows][:2] == [keys.FID, keys.PIXEL_FRECHET]
    fid = rows[0]
    assert f"{fid.title} ({fid.conditions})" == (
        "FID (classifier, layer 128, 500 samples vs 110 test images)"
    )
    assert fid.floor is not None and fid.oracle is not None
    assert fid.floor.value == results.reference[keys.FLOOR_FID]
    assert fid.floor.images == "160 train images"
    assert (fid.oracle.value, fid.oracle.images) == (2.3, "120 samples")
    assert all("500 samples" in row.conditions for row in rows)
    table = metric_table(rows)
    assert list(table["key"]) == [row.key for row in rows]
    sides = ("network", "oracle", "floor")
    assert [table[f"{side}_value"][0] for side in sides] == [5.432, 2.3, 1.25]
    assert [table[f"{side}_num_images"][0] for side in sides] == [500, 120, 160]


def test_metrics_that_were_not_measured_are_left_out(make_results: Results) -> None:
    results = make_results()
    fewer = {k: v for k, v in results.metrics.items() if k != keys.PIXEL_FRECHET}
    rows = metric_rows(fewer, {}, "test", 64)
    assert keys.PIXEL_FRECHET not in [row.key for row in rows]
    assert all(row.floor is None for row in rows)


def test_least_losses_are_left_out_where_weights_differ(make_results: Results) -> None:
    oracle = make_results().oracle
    sigmas = make_results().training_sigmas
    least = least_level_losses(oracle, 2.0, sigmas)
    assert least is not None and oracle is not None
    assert list(least["loss"]) == oracle["mean"] and list(least["level"]) == list(range(10))
    assert least_level_losses(oracle, 1.0, sigmas) is None
    assert least_level_losses(None, 2.0, sigmas) is None
    assert least_level_losses(oracle, 2.0, sigmas[1:]) is None  # losses of another ladder


def test_bars_name_the_features_and_hold_each_side_as_a_row(make_results: Results) -> None:
    results = make_results()
    rows = metric_rows(results.metrics, results.reference, "test", 64)
    bars = bar_table(rows, keys.FID, keys.PRECISION)
    assert list(bars["metric"]) == [
        "network, 120 samples: FID (classifier, layer 128)",
        "oracle, 120 samples: FID (classifier, layer 128)",
        "floor, 160 train images: FID (classifier, layer 128)",
        "network, 120 samples: Precision (classifier, layer 128)",
        "oracle, 120 samples: Precision (classifier, layer 128)",
    ]


def with_bars(results: ReportInputs) -> tuple[dict, dict]:
    """Metrics with errors and a matched floor of 120 images, and the reference summary."""
    added = {
        keys.stderr_key(keys.FID): 0.63,
        keys.samples_stderr_key(keys.FID): 0.36,
        keys.matched(keys.FID): 1.5,
        keys.std_key(keys.matched(keys.FID)): 0.2,
        keys.matched(keys.FID_NUM_SAMPLES): 120,
        keys.MATCHED_NUM_SUBSETS: 20,
    }
    return results.metrics | added, results.reference


def test_the_floor_is_the_matched_one_and_that_of_all_images_stands_beside_it(
    make_results: Results,
) -> None:
    rows = metric_rows(*with_bars(make_results()), "test", 64)
    fid, pixels = rows[:2]
    assert fid.floor is not None and fid.full_floor is not None
    assert (fid.floor.value, fid.floor.spread, fid.floor.images) == (1.5, 0.2, "120 train images")
    assert fid.floor.means == "standard deviation of 20 subsets"
    assert (fid.full_floor.value, fid.full_floor.images) == (1.25, "160 train images")
    assert pixels.floor is not None and pixels.full_floor is None  # not measured at 120


def test_a_standard_error_stands_where_there_is_one(make_results: Results) -> None:
    found = {row.key: row for row in metric_rows(*with_bars(make_results()), "test", 64)}
    fid, kid = found[keys.FID].network, found[keys.KID_MEAN].network
    assert (fid.spread, fid.own_spread, fid.means) == (0.63, 0.36, "standard error")
    assert (kid.spread, kid.own_spread) == (0.0004, None)
    assert found[keys.ISC_MEAN].network.spread == 0.12
