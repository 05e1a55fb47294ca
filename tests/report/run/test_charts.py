"""Charts carry their data, units and levels, and are the same bytes each time."""

from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest

from ncsn.base import training_names
from ncsn.base.chart_style import png_bytes
from ncsn.report.run.charts import plot_level_losses, plot_training
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.tables import LevelLosses, least_level_losses, level_losses, loss_curve

Results = Callable[..., ReportInputs]
LADDER = np.geomspace(1.0, 0.01, 10).tolist()
NONE = pd.DataFrame({"step": [], "loss": []})


def test_the_training_chart_holds_the_logged_values(make_results: Results) -> None:
    log = make_results().log
    training, validation = (
        loss_curve(log, training_names.TRAIN_LOSS),
        loss_curve(log, training_names.VAL_LOSS),
    )
    axes = plot_training(training, validation, 32.0).axes[0]
    raw, mean, held_out, zero = axes.lines
    np.testing.assert_array_equal(raw.get_ydata(), training["loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), validation["loss"])
    assert np.std(np.diff(mean.get_ydata())) < np.std(np.diff(raw.get_ydata()))
    assert set(zero.get_ydata()) == {32.0}
    assert axes.get_xlabel() == "training step" and axes.get_ylabel()
    assert axes.get_yscale() == "linear"


def test_least_reachable_losses_are_reference_lines(make_results: Results) -> None:
    results = make_results()
    losses, least = (
        level_losses(results.log, LADDER),
        least_level_losses(results.oracle, 2, LADDER),
    )
    assert losses is not None and least is not None
    plain = plot_level_losses(losses, None).axes[1]
    right = plot_level_losses(losses, None, least).axes[1]
    line = right.lines[0]
    np.testing.assert_array_equal(line.get_xydata(), least[["sigma", "loss"]])
    low, high = np.array(right.collections[-1].get_segments())[..., 1].T
    np.testing.assert_allclose((high - low) / 2, least["standard_error"])
    assert right.get_ylim() == plain.get_ylim()
    training = loss_curve(results.log, training_names.TRAIN_LOSS)
    dotted = plot_training(training, NONE, None, 3.25).axes[0].lines[-1]
    assert dotted.get_linestyle() == ":" and set(dotted.get_ydata()) == {3.25}


def test_a_least_loss_of_zero_does_not_stretch_a_log_axis() -> None:
    table = pd.DataFrame({"step": 1, "level": [0, 1], "sigma": [1.0, 0.01], "loss": [1.0, 90.0]})
    least = pd.DataFrame({"sigma": [1.0, 0.01], "loss": [0.5, 0.0], "standard_error": 0.0})
    right = plot_level_losses(LevelLosses(table, training_names.VAL_LOSS), None, least).axes[1]
    assert right.get_yscale() == "log" and right.get_ylim()[0] > 0.1
    assert png_bytes(right.figure)


def test_a_training_without_validation_and_zero_line_has_two_curves(make_results: Results) -> None:
    training = loss_curve(make_results().log, training_names.TRAIN_LOSS)
    assert len(plot_training(training, NONE, None).axes[0].lines) == 2


def test_a_loss_over_many_decades_goes_on_a_log_axis_but_a_negative_one_does_not() -> None:
    steps = np.arange(1, 51)
    decades = pd.DataFrame({"step": steps, "loss": 1e4 / steps**2})
    assert plot_training(decades, NONE, None).axes[0].get_yscale() == "log"
    negative = decades.assign(loss=decades["loss"] - 100)
    assert plot_training(negative, NONE, None).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("num_levels", [1, 10, 232])
def test_one_colour_scale_serves_both_panels(make_results: Results, num_levels: int) -> None:
    sigma_max = 50.0 if num_levels > 1 else 0.01
    results = make_results(num_levels=num_levels, sigma_max=sigma_max, num_steps=500)
    losses = level_losses(results.log, results.training_sigmas)
    assert losses is not None
    left, right, bar = plot_level_losses(losses, None).axes
    points = right.collections[0]
    assert len(points.get_offsets()) == num_levels
    assert right.get_xscale() == "log" and "σ" in right.get_xlabel() and "σ" in bar.get_ylabel()
    np.testing.assert_allclose(left.lines[0].get_color(), points.get_facecolors()[0])
    np.testing.assert_allclose(left.lines[-1].get_color(), points.get_facecolors()[-1])


def test_a_chart_is_the_same_bytes_under_other_settings(make_results: Results) -> None:
    training = loss_curve(make_results().log, training_names.TRAIN_LOSS)
    first = png_bytes(plot_training(training, NONE, 32.0))
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "savefig.dpi": 30}):
        again = png_bytes(plot_training(training, NONE, 32.0))
    assert first == again
    assert b"matplotlib" not in first.lower()
