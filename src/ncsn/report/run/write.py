"""The stage `report` in one call: pictures, tables for `dvc plots`, and last the page."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.base.chart_style import png_bytes
from ncsn.base.files import whole_file, whole_folder
from ncsn.base.marked import refuse_foreign
from ncsn.config.params import Params, ProjectParams
from ncsn.maths.zero_score import zero_score_loss
from ncsn.report.films import Film, film, sampling_frames
from ncsn.report.grids import (
    NAMED_STATES,
    plot_annealing,
    plot_images,
    plot_inpainting,
    plot_neighbours,
    state_label,
)
from ncsn.report.run.charts import plot_level_losses, plot_training
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.page import render_page
from ncsn.report.run.tables import (
    Metric,
    bar_table,
    final_level_losses,
    least_level_losses,
    level_losses,
    loss_curve,
    metric_rows,
    metric_table,
)


def write_report(inputs: ReportInputs, params: ProjectParams) -> list[Metric]:
    """Writes figures, tables and page to the paths of `params`; returns the metrics, FID first."""
    refuse_foreign(params.paths.plots)
    num_pixels = inputs.samples[0].size
    split = params.reference.split
    metrics = metric_rows(inputs.metrics, inputs.reference, split, num_pixels)
    pictures, films = report_pictures(inputs, params), report_films(inputs, params)
    page = render_page(inputs, params, metrics, pictures, films)
    with whole_folder(params.paths.figures) as folder:
        for name, png in pictures.items():
            (folder / f"{name}.png").write_bytes(png)
        for name, shown in films.items():
            (folder / f"{name}.gif").write_bytes(shown.gif)
    _write_tables(params.paths.plots, plot_tables(inputs, params, metrics))
    with whole_file(params.paths.report) as partial:
        partial.write_text(page, encoding="utf-8")
    return metrics


def report_pictures(inputs: ReportInputs, params: Params) -> dict[str, bytes]:
    """Returns the figures as PNG, by name; those of the training only where one was logged."""
    count = params.report.num_grid_images
    figures = {
        "samples": plot_images(inputs.samples[:count]),
        "real": plot_images(inputs.real[:count]),
        "annealing": plot_annealing(inputs.trajectory, inputs.trajectory_sigmas),
        "annealed": plot_images(inputs.samples[: len(inputs.baseline)]),
        "baseline": plot_images(inputs.baseline),
        **_inpainting_figures(inputs),
        **_neighbour_figures(inputs),
    }
    zero_score_loss = _zero_score_loss(params, inputs.samples[0].size)
    least = least_level_losses(inputs.oracle, params.train.weight_power, inputs.training_sigmas)
    training = loss_curve(inputs.log, training_names.TRAIN_LOSS)
    if len(training):
        validation = loss_curve(inputs.log, training_names.VAL_LOSS)
        least_loss = None if least is None else float(least["loss"].mean())
        figures["training"] = plot_training(training, validation, zero_score_loss, least_loss)
    losses = level_losses(inputs.log, inputs.training_sigmas)
    if losses is not None:
        figures["level_losses"] = plot_level_losses(losses, zero_score_loss, least)
    return {name: png_bytes(figure) for name, figure in figures.items()}


def report_films(inputs: ReportInputs, params: Params) -> dict[str, Film]:
    """Returns the films by name: of the sampling, and of the training where it drew previews."""
    labels = [state_label(k, sigma) for k, sigma in enumerate(inputs.trajectory_sigmas)]
    captions = [
        name if name in NAMED_STATES else f"after the level sigma = {name}" for name in labels
    ]
    films = {"sampling_film": film(sampling_frames(inputs.trajectory), captions)}
    if inputs.previews:
        steps = [f"step {step:,} of {params.train.num_steps:,}" for step in inputs.previews]
        films["training_film"] = film(list(inputs.previews.values()), steps)
    return films


def plot_tables(
    inputs: ReportInputs, params: Params, metrics: Sequence[Metric]
) -> dict[str, pd.DataFrame]:
    """Returns the tables behind the plots of dvc.yaml, by name; empty without a training."""
    losses = level_losses(inputs.log, inputs.training_sigmas)
    least = least_level_losses(inputs.oracle, params.train.weight_power, inputs.training_sigmas)
    empty = pd.DataFrame(columns=["level", "sigma", "loss"])
    return {
        "training": loss_curve(inputs.log, training_names.TRAIN_LOSS),
        "validation": loss_curve(inputs.log, training_names.VAL_LOSS),
        "final_level_losses": empty if losses is None else final_level_losses(losses),
        "least_level_losses": empty.assign(standard_error=[]) if least is None else least,
        "metrics": metric_table(metrics),
        "frechet_distances": bar_table(metrics, keys.FID, keys.PIXEL_FRECHET),
        "precision_recall": bar_table(metrics, keys.PRECISION, keys.RECALL),
    }


def _inpainting_figures(inputs: ReportInputs) -> dict[str, Figure]:
    parts = inputs.inpainting
    both = zip(("left", "right"), parts["known"], parts["completions"], strict=True)
    return {
        f"inpainting_{half}": plot_inpainting(parts["originals"], known, completions)
        for half, known, completions in both
    }


def _neighbour_figures(inputs: ReportInputs) -> dict[str, Figure]:
    figures = {}
    for space in ("pixels", "features"):
        nearest = np.array(inputs.neighbours[space]["indices"])
        shown = inputs.samples[: len(nearest)]
        figures[f"neighbours_{space}"] = plot_neighbours(shown, inputs.train[nearest])
    return figures


def _zero_score_loss(params: Params, num_pixels: int) -> float | None:
    """What a network that returns zero has with the paper's weights; None with others."""
    return zero_score_loss(num_pixels) if params.train.weight_power == 2 else None


def _write_tables(path: str, tables: Mapping[str, pd.DataFrame]) -> None:
    with whole_folder(path) as folder:
        for name, table in tables.items():
            table.to_csv(
                folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n"
            )
