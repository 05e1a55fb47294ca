"""A comparison as files: the page, its tables as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ncsn.base.chart_style import png_bytes
from ncsn.base.files import whole_folder
from ncsn.base.run_record import RunRecord
from ncsn.report.compare.charts import has_curves, has_samples, plot_curves, plot_samples
from ncsn.report.compare.page import render_comparison
from ncsn.report.compare.tables import metric_frame, pair_frame, run_frame

PAGE = "index.html"


def write_comparison(
    runs: Sequence[RunRecord], folder: str | Path, links: Mapping[str, str]
) -> Path:
    """Writes index.html, runs.csv, metrics.csv and pairs.csv; returns the page.

    Args:
        runs: at least two.
        folder: replaced as a whole, where it was made here.
        links: addresses in MLflow by what they open; empty for none.

    Raises:
        UserError: the folder is not this project's own.
    """
    pictures = {"samples": png_bytes(plot_samples(runs))} if has_samples(runs) else {}
    if has_curves(runs):
        pictures["curves"] = png_bytes(plot_curves(runs))
    page = render_comparison(runs, pictures, links)
    frames = {"runs": run_frame(runs), "metrics": metric_frame(runs), "pairs": pair_frame(runs)}
    with whole_folder(folder) as partial:
        for name, frame in frames.items():
            frame.to_csv(partial / f"{name}.csv", index=False, lineterminator="\n")
        (partial / PAGE).write_text(page, encoding="utf-8")
    return Path(folder) / PAGE
