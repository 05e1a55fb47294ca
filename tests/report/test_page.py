"""The whole report: what it shows, what it writes, and that nothing but its inputs decides it."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ncsn.dag import stage_table
from ncsn.params import Params, checked_params
from ncsn.report.inputs import ReportInputs
from ncsn.report.page import configuration, cost
from ncsn.report.write import write_report

ROOT = Path(__file__).parents[2]
Results = Callable[..., ReportInputs]


class Text(HTMLParser):
    """The text of a page with single spaces, and the sources of its pictures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.sources: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(dict(attrs)["src"])] if tag == "img" else []


def written(results: ReportInputs, params: Params) -> Text:
    write_report(results, params)
    return Text(Path(params.paths.report).read_text(encoding="utf-8"))


def files_of(params: Params) -> dict[str, bytes]:
    top = Path(params.paths.report).parent
    return {str(f.relative_to(top)): f.read_bytes() for f in top.rglob("*") if f.is_file()}


def test_numbers_stand_with_their_conditions_and_floors(
    make_results: Results, params: Params
) -> None:
    page = written(make_results(num_samples=500), params)
    assert "FID (classifier, layer 128, 500 samples vs 110 test images)" in page.text
    assert "floor 1.25 , train vs test" in page.text
    assert "97.8%" in page.text
    for bare in re.findall(r"\bFID\b(.{12})", page.text):
        assert bare.startswith(" (classifier")


def test_the_page_needs_no_network_and_no_other_file(
    make_results: Results, params: Params
) -> None:
    page = written(make_results(), params)
    raw = Path(params.paths.report).read_text(encoding="utf-8")
    assert len(page.sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not re.search(r"https?://|<script|<link|@import|url\(", raw)


def test_the_same_inputs_give_the_same_bytes(make_results: Results, params: Params) -> None:
    write_report(make_results(), params)
    first = files_of(params)
    write_report(make_results(), params)
    assert files_of(params) == first
    assert set(first) >= {"index.html", "figures/samples.png", "plots/training.csv"}


@pytest.mark.parametrize(
    "shape",
    [
        {"size": 28},
        {"size": 32, "channels": 3, "extractor": "inception-v3-compat"},
        {"num_levels": 232, "sigma_max": 50.0, "num_steps": 500},
        {"num_levels": 1, "sigma_max": 0.01},
        {"num_samples": 3, "validated": False},
    ],
    ids=["grey28", "colour32", "232levels", "1level", "3samples"],
)
def test_every_kind_of_run_has_a_page(
    make_results: Results, params: Params, shape: dict[str, int]
) -> None:
    values = params.model_dump()
    noise = {key: shape[key] for key in ("num_levels", "sigma_max") if key in shape}
    values["noise"] |= noise
    page = written(make_results(**shape), checked_params(values))
    assert len(page.sources) == 5
    assert "None" not in page.text and "nan" not in page.text.split()


def test_a_configuration_that_trains_nothing_says_so(
    make_results: Results, params: Params
) -> None:
    page = written(make_results(num_steps=0), params)
    assert "Nothing was trained" in page.text
    assert len(page.sources) == 3
    table = pd.read_csv(Path(params.paths.plots) / "training.csv")
    assert list(table.columns) == ["step", "loss"] and table.empty


def test_the_page_shows_exactly_the_params_that_dvc_watches(params: Params) -> None:
    declared = stage_table(ROOT)["report"]["params"]
    shown = configuration(params)
    assert ["base.seed" if name == "base" else name for name in shown] == declared
    assert list(shown["base"]) == ["seed"]
    assert shown["sampler"]["epsilon"] == "2e-05"


def test_step_sizes_differ_by_two_between_the_conventions(
    make_results: Results, params: Params
) -> None:
    values = params.model_dump()
    values["sampler"]["epsilon"] = 6.2e-6
    text = written(make_results(), checked_params(values)).text
    assert "= 6.2e-06" in text and "= ε / 2 = 3.1e-06" in text


def test_cost_counts_images_and_evaluations(make_results: Results, params: Params) -> None:
    counted = cost(make_results(), params)
    assert counted.evaluations_per_image == 1000
    assert counted.images_seen == 1500 * 128
    assert counted.passes == pytest.approx(1500 * 128 / 160)
    assert counted.steps_per_sec == 21.5


def test_the_report_loads_no_torch() -> None:
    code = "import sys, ncsn.report.write, ncsn.report.inputs; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
