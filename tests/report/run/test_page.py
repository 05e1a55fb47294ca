"""The whole report: what it shows, what it writes, and that nothing but its inputs decides it."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.config.params import ProjectParams, checked_params
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.notes import share_notes
from ncsn.report.run.page import configuration, cost
from ncsn.report.run.tables import metric_rows
from ncsn.report.run.write import write_report
from ncsn.runtime.dag import stage_table

ROOT = Path(__file__).parents[3]
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


def written(results: ReportInputs, params: ProjectParams) -> Text:
    write_report(results, params)
    return Text(Path(params.paths.report).read_text(encoding="utf-8"))


def changed(params: ProjectParams, section: str, **values: object) -> ProjectParams:
    sections = params.model_dump(exclude={"paths"})
    sections[section] |= values
    return ProjectParams.model_construct(**dict(checked_params(sections)), paths=params.paths)


def files_of(params: ProjectParams) -> dict[str, bytes]:
    top = Path(params.paths.report).parent
    return {str(f.relative_to(top)): f.read_bytes() for f in top.rglob("*") if f.is_file()}


def test_numbers_stand_with_their_conditions_and_floors(
    make_results: Results, params: ProjectParams
) -> None:
    page = written(make_results(num_samples=500), params)
    headline = "FID (classifier, layer 128, vs 110 test images), lower is better network 5.432"
    assert f"{headline} 500 samples oracle (exact score) 2.3 120 samples floor 1.25" in page.text
    assert "97.8%" in page.text
    for bare in re.findall(r"\bFID\b(.{12})", page.text):
        assert bare.startswith(" (classifier")


def test_a_difference_is_a_share_only_between_equal_numbers(make_results: Results) -> None:
    def notes(split: str = "test", **shape: int) -> str:
        results = make_results(**shape)
        fid = metric_rows(results.metrics, results.reference, split, 64)[0]
        return " ".join(share_notes(fid, split))

    equal = notes(num_samples=160, num_oracle=160)
    assert "the share of the network is 3.132" in equal
    assert "the share of the schedule is 1.05" in equal and "differ" not in equal
    mixed = notes(num_samples=120, num_oracle=120)
    assert "the share of the network is" in mixed
    assert "The oracle has 120 samples and the floor 160 train images" in mixed
    assert "not the share of the schedule" in mixed
    assert notes(num_samples=100, num_oracle=120).count("differ") == 2
    assert "below the floor" in notes("train") and "below the floor" not in mixed


def with_bars(results: ReportInputs, floor_size: int = 120, subsets: int = 20) -> ReportInputs:
    """Results whose FID has bars on all three sides, and a limit."""
    fid = {keys.stderr_key(keys.FID): 0.6312, keys.samples_stderr_key(keys.FID): 0.3}
    metrics = fid | {keys.FID_INFINITY: 4.6, keys.stderr_key(keys.FID_INFINITY): 0.8}
    metrics |= {keys.FID_INFINITY_FIT_ERROR: 0.49, keys.FID_INFINITY_FIXED_REFERENCE: 5.2}
    metrics |= {keys.FID_INFINITY_POINTS: "samples 120: 5.432, 60: 5.9; reference images 110: 5.4"}
    metrics |= {keys.UNCERTAINTY_METHOD: "standard error: jackknife over 20 groups"}
    metrics |= {keys.matched(keys.FID): 2.1, keys.matched(keys.FID_NUM_SAMPLES): floor_size}
    metrics |= {keys.MATCHED_NUM_SUBSETS: subsets}
    if subsets > 1:
        metrics[keys.std_key(keys.matched(keys.FID))] = 0.4
    oracle = {key.replace("eval/", "oracle/"): value for key, value in fid.items()}
    return replace(results, metrics=results.metrics | metrics | oracle)


def test_bars_and_the_matched_floor_stand_beside_the_numbers(
    make_results: Results, params: ProjectParams
) -> None:
    text = written(with_bars(make_results()), params).text
    assert "network 5.43 ± 0.63 120 samples oracle (exact score) 2.30 ± 0.63 120 sam" in text
    assert "floor 2.10 ± 0.40 120 train images" in text
    assert "all 160: 1.25" in text
    assert "20 random sets of 120 train images vs 110 test images" in text
    assert "± is the standard error: jackknife over 20 groups" in text
    assert "Its ± holds 0.49 for the fit" in text and "samples 120: 5.432, 60: 5.9" in text
    share, schedule = "network is 3.13 ± 0.42", "schedule is 0.20 ± 0.50, which cannot be told"
    assert share in text and schedule in text


def test_a_floor_of_fewer_images_says_that_it_cannot_be_compared(
    make_results: Results, params: ProjectParams
) -> None:
    results = with_bars(make_results(num_samples=500, num_oracle=500), 160, 1)
    text = written(results, params).text
    assert "all 160 train images vs 110 test images" in text
    assert "fewer than the 500 samples" in text and "cannot be compared with it" in text
    assert "not the share of the schedule" in text
    unequal = written(with_bars(make_results(num_samples=120, num_oracle=100)), params).text
    assert "the two cannot be compared, and network less oracle is not the share" in unequal


def test_without_an_oracle_nothing_is_said_of_shares(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    metrics = {k: v for k, v in results.metrics.items() if not k.startswith("oracle/")}
    page = written(replace(results, metrics=metrics, oracle=None), params)
    assert "share of" not in page.text and "dotted" not in page.text
    table = pd.read_csv(Path(params.paths.plots) / "least_level_losses.csv")
    assert list(table.columns) == ["level", "sigma", "loss", "standard_error"] and table.empty


def test_the_exact_score_has_a_page_without_a_training(
    make_results: Results, params: ProjectParams
) -> None:
    oracle = changed(params, "model", name="oracle")
    exact = replace(make_results(), log=[{"step": 0}], training_sigmas=[])
    page = written(exact, oracle)
    assert "The exact score of the training images in place of a network" in page.text
    assert "Nothing was trained" in page.text and "dotted" not in page.text
    assert cost(exact, params).images_seen == 0


def test_the_losses_of_a_continuous_training_stand_at_its_own_levels(
    make_results: Results, params: ProjectParams
) -> None:
    wide = [10.0 / 3**level for level in range(10)]
    page = written(replace(make_results(), training_sigmas=wide), params)
    table = pd.read_csv(Path(params.paths.plots) / "final_level_losses.csv")
    assert list(table["sigma"]) == pytest.approx(wide, rel=1e-5)
    assert "dotted" not in page.text  # the least losses are those of the sampled ladder


def test_the_bound_is_shown_for_the_weights_of_the_paper_alone(
    make_results: Results, params: ProjectParams
) -> None:
    assert written(make_results(), params).text.count("dotted line") == 2
    others = changed(params, "train", weight_power=1.0)
    assert "dotted line" not in written(make_results(), others).text


def test_the_page_needs_no_network_and_no_other_file(
    make_results: Results, params: ProjectParams
) -> None:
    page = written(make_results(), params)
    raw = Path(params.paths.report).read_text(encoding="utf-8")
    assert len(page.sources) == 19
    kinds = Counter(source.partition(";base64,")[0] for source in page.sources)
    assert kinds == {"data:image/png": 17, "data:image/gif": 2}
    assert not re.search(r"https?://|<script\s|<link|@import|url\(", raw)


def test_the_distance_of_samples_stands_beside_that_of_held_out_images(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    found = {
        "indices": [[3, 5], [0, 1], [2, 9]],
        "distances": [[3.25, 9.0], [1.5, 9.0], [7.125, 9.0]],
        "held_out_distances": [2.5, 4.5],
    }
    results = replace(results, neighbours=results.neighbours | {"features": found})
    expected = (
        "Distance to the nearest: median 3.25 and least 1.5 for the samples, median 3.5 and least"
        " 2.5 for the first 2 held-out images."
    )
    assert f"(classifier, layer 128). {expected}" in written(results, params).text


def test_what_prepare_said_of_the_files_stands_with_the_data(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    silent = written(results, params)
    assert "had to say" not in silent.text
    notices = ["passed over: 12 .gif", "followed: links to 3 of the images & <more>"]
    told = written(replace(results, data=results.data | {"notices": notices}), params)
    assert "had to say of the files: passed over: 12 .gif followed: links to 3" in told.text
    assert "& <more>" in told.text


def test_the_baseline_stands_beside_as_many_samples(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    page = written(results, params)
    assert "the first 9 samples" in page.text and "1,000 evaluations per image" in page.text
    figures = {name: f for name, f in files_of(params).items() if name.startswith("figures/")}
    same = replace(results, baseline=results.samples[:9])
    written(same, params)
    again = files_of(params)
    assert again["figures/annealed.png"] == figures["figures/annealed.png"]
    assert again["figures/baseline.png"] == figures["figures/annealed.png"]


def test_the_same_inputs_give_the_same_bytes(make_results: Results, params: ProjectParams) -> None:
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
    make_results: Results, params: ProjectParams, shape: dict[str, int]
) -> None:
    noise = {key: shape[key] for key in ("num_levels", "sigma_max") if key in shape}
    weighted = changed(params, "train", weight_power=2.0)
    page = written(make_results(**shape), changed(weighted, "noise", **noise))
    assert len(page.sources) == 19
    assert "None" not in page.text and "nan" not in page.text.split()


def test_a_configuration_that_trains_nothing_says_so(
    make_results: Results, params: ProjectParams
) -> None:
    page = written(make_results(num_steps=0), params)
    assert "Nothing was trained" in page.text
    assert len(page.sources) == 17
    table = pd.read_csv(Path(params.paths.plots) / "training.csv")
    assert list(table.columns) == ["step", "loss"] and table.empty


def test_the_page_shows_exactly_the_params_that_dvc_watches(params: ProjectParams) -> None:
    declared = stage_table(ROOT)["report"]["params"]
    shown = configuration(params)
    assert ["base.seed" if name == "base" else name for name in shown] == declared
    assert list(shown["base"]) == ["seed"]
    assert float(shown["sampler"]["epsilon"]) == params.sampler.epsilon


def test_step_sizes_differ_by_two_between_the_conventions(
    make_results: Results, params: ProjectParams
) -> None:
    smaller = changed(params, "sampler", epsilon=6.2e-6)
    text = written(make_results(), smaller).text
    assert "= 6.2e-06" in text and "= ε / 2 = 3.1e-06" in text


def test_cost_counts_images_and_evaluations(make_results: Results, params: ProjectParams) -> None:
    counted = cost(make_results(), params)
    assert counted.evaluations_per_image == 1000
    assert counted.images_seen == params.train.num_steps * params.train.batch_size
    assert counted.passes == pytest.approx(counted.images_seen / 160)


def test_a_classifier_that_guesses_is_warned_of(
    make_results: Results, params: ProjectParams
) -> None:
    assert "Notice:" not in written(make_results(), params).text
    reference = make_results().reference | {keys.CLASSIFIER_ACCURACY: 0.12}
    text = written(replace(make_results(), reference=reference), params).text
    assert text.index("labels 12.0% of") < text.index("Network evaluations")
    assert "mean nothing" in text


def test_the_report_loads_no_torch() -> None:
    code = "import sys, ncsn.report.run.write; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_step_beyond_the_stable_bound_is_noticed_above_the_numbers(
    make_results: Results, params: ProjectParams
) -> None:
    assert "Notice:" not in written(make_results(), params).text
    sampler = params.sampler.model_copy(update={"epsilon": 5e-4})
    text = written(make_results(), params.model_copy(update={"sampler": sampler})).text
    assert text.index("not below 4 noise.sigma_min^2 = 0.0004") < text.index("Network evaluations")


def test_a_training_that_stays_where_a_zero_score_is_is_noticed_above_the_numbers(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    assert "Notice:" not in written(results, params).text
    stuck = [
        row | {training_names.TRAIN_LOSS: 32.0} if training_names.TRAIN_LOSS in row else row
        for row in results.log
    ]
    text = written(replace(results, log=stuck), params).text
    assert text.index("at step 1,500, not below the 32 of a") < text.index("Network evaluations")
    recovered = [*stuck, {"step": 1550, training_names.TRAIN_LOSS: 20.0}]
    assert "Notice:" not in written(replace(results, log=recovered), params).text


def test_each_number_stands_once_with_the_digits_of_its_error(
    make_results: Results, params: ProjectParams
) -> None:
    text = written(with_bars(make_results()), params).text
    shown = text[: text.index("Reproduce make")]
    assert shown.count("5.43 ± 0.63") == 1 and "5.432 ± " not in text
    assert shown.count("0.812") == 1  # precision, without an error


def test_toy_studies_have_a_figure_and_a_sentence_with_their_numbers(
    make_results: Results, params: ProjectParams
) -> None:
    results = make_results()
    toy = results.toy | {"toy/share_langevin_mean": 0.5119, "toy/share_langevin_std": 0.0125}
    text = written(replace(results, toy=toy), params).text
    assert "In 3,072 dimensions the exact trace takes" in text
    assert "Langevin dynamics leaves 0.512 ± 0.013 of its samples there" in text


def test_films_are_files_too_and_a_training_without_previews_has_none(
    make_results: Results, params: ProjectParams
) -> None:
    written(make_results(), params)
    figures = Path(params.paths.figures)
    with Image.open(figures / "training_film.gif") as film:
        assert film.n_frames == 3
    with Image.open(figures / "sampling_film.gif") as film:
        assert film.n_frames == len(make_results().trajectory)
    text = written(replace(make_results(), previews={}), params).text
    assert "The training ·" not in text and not (figures / "training_film.gif").exists()
