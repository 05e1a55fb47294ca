"""Pages of studies as a reader uses them: links, hover, parallel coordinates, numbers."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from ncsn.base.yaml_file import yaml_value
from ncsn.report.sweep.hover import spots
from ncsn.report.sweep.inputs import axis_number, read_exported
from ncsn.report.sweep.overview import write_overview
from ncsn.report.sweep.parallel import HEIGHT, parallel_coordinates
from ncsn.report.sweep.write import study_figures, write_study_report

Exported = Callable[[optuna.Study], Path]


@pytest.fixture
def small(synthetic: Any, exported: Exported) -> Path:
    return exported(synthetic.joint(count=6))


def test_spots_stand_on_the_circles(small: Path) -> None:
    """A spot's height follows the objective, its place the axis."""
    from ncsn.base.chart_style import png_bytes

    study = read_exported(small)
    figure = study_figures(study)["history"]
    png_bytes(figure)
    found = spots(study, "history", figure)
    trials = study.complete()
    assert [spot.number for spot in found] == trials["number"].tolist()
    by_value = sorted(found, key=lambda spot: -spot.top)
    assert [s.number for s in by_value] == trials.sort_values("eval/fid")["number"].tolist()
    assert [s.left for s in found] == sorted(s.left for s in found)
    assert all(0 < s.left < 100 and 0 < s.top < 100 for s in found)


def test_a_line_for_each_trial_through_all_axes(small: Path) -> None:
    study = read_exported(small)
    found = parallel_coordinates(study)
    assert found is not None
    assert [c.title for c in found.columns] == [*study.axes, "FID"]
    assert {line.number for line in found.lines} == set(study.complete()["number"])
    heights = {
        line.number: [float(p.split(",")[1]) for p in line.points.split()] for line in found.lines
    }
    assert all(len(row) == 6 and min(row) >= 40 and max(row) <= HEIGHT for row in heights.values())
    best = study.summary["best"][0]["number"]
    assert found.lines[-1].number == best and heights[best][-1] == 278.0


def test_the_page_says_what_each_trial_is_and_links_to_the_others(
    synthetic: Any, exported: Exported, small: Path
) -> None:
    oracle = exported(synthetic.joint("joint-digits-oracle", count=6))
    index = write_overview(small.parent)
    page = write_study_report(small, has_commit=lambda commit: False).read_text()
    told = json.loads(re.findall(r'<script id="told"[^>]*>(.*?)</script>', page, re.DOTALL)[0])
    assert set(told) == set(read_exported(small).complete()["number"].astype(str))
    for link in re.findall(r'href="([^"#]+)"', page):
        assert (small / link).resolve().name == "index.html"
    assert f"../{oracle.name}/index.html" in page and "../index.html" in page
    assert "0" * 10 not in page  # a commit that nobody can look up is not named
    assert f'href="{oracle.name}/index.html"' in index.read_text()


@pytest.mark.parametrize("value", [1e-05, 0.000168712, 0.01, 0.5, 50.0, 20000.0, 3, 1437])
def test_a_number_of_an_axis_reads_as_in_params(value: float) -> None:
    assert yaml_value(axis_number(value), "x") == pytest.approx(value, rel=1e-3)
    assert axis_number(value) == repr(float(f"{value:.4g}")).removesuffix(".0")


def test_ticks_and_page_write_one_number_alike(synthetic: Any, exported: Exported) -> None:
    axes = {"sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}}
    study = synthetic.make_study("epsilon-digits", axes)
    for value in (1e-5, 1e-4, 1e-3):
        synthetic.add_trial(study, axes, {"sampler.epsilon": value}, [value])
    folder = exported(study)
    found = read_exported(folder)
    figure = study_figures(found)["marginal sampler.epsilon"]
    ticks = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    page = write_study_report(folder).read_text()
    csv = (folder / "trials.csv").read_text()
    for text in ("1e-05", "0.0001", "0.001"):
        assert text in ticks and f">{text}<" in page and f",{text}," in csv
    assert 'id="importances"' not in page and 'id="parallel"' not in page
