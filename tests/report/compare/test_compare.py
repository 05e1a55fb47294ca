"""A comparison calls no difference one that noise alone may make, nor compares what differs."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.run_record import RunRecord
from ncsn.config.paths import load_paths
from ncsn.report.compare.collect import named_records, require_several
from ncsn.report.compare.conditions import groups
from ncsn.report.compare.tables import differing_params
from ncsn.report.compare.text import WIDTH, comparison_text
from ncsn.report.compare.verdicts import pairs, shown_error, standings
from ncsn.report.compare.words import caveats, curves_note, findings, notices, same_noise
from ncsn.report.compare.write import write_comparison

ROOT = Path(__file__).parents[3]
FID = next(measure for measure in keys.MEASURES if measure.key == keys.FID)
TEXTS = {
    "data.train_sha256": "t" * 64,
    "data.test_sha256": "u" * 64,
    keys.EXTRACTOR: "classifier",
    keys.FEATURE_LAYER: "128",
    keys.WEIGHTS_SHA256: "w" * 64,
    keys.CLASSIFIER_SEED: "1",
    keys.FID_NUM_SAMPLES: "500",
    keys.NUM_REFERENCE: "359",
}
PARAMS = {"data.name": "digits", "reference.split": "test", "sample.seed": "1"}
PARAMS |= {"sample.block_size": "100", "sampler.epsilon": "0.0001", "track.uri": "here"}


def run(
    fid: float, error: float | None = 0.3, *, texts: Mapping[str, str] | None = None, **params: Any
) -> RunRecord:
    """A run with a FID, its own part of the error smaller than the whole."""
    metrics = {keys.FID: fid, keys.PRECISION: 0.5}
    if error is not None:
        metrics |= {keys.samples_stderr_key(keys.FID): error, keys.stderr_key(keys.FID): 2 * error}
    changed = {key.replace("__", "."): str(value) for key, value in params.items()}
    images = np.random.default_rng(int(fid * 100)).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    curve = {"train/loss": [(50, 20.0), (100, 10.0 + fid)]}
    return RunRecord(
        f"digits FID {fid:g}", "here", PARAMS | changed, metrics, TEXTS | (texts or {}),
        curve, images, run_id=f"{fid:g}",
    )  # fmt: skip


def says(*runs: RunRecord) -> list[str]:
    """What is said of each run's FID; the runs were measured alike."""
    (group,) = groups(runs)
    return [standing.says for standing in standings(runs, group, FID).values()]


def test_a_run_is_worse_only_where_the_difference_exceeds_its_noise() -> None:
    assert says(run(5.0), run(5.8)) == ["best value", "not told apart"]  # 1.9 standard errors
    assert says(run(5.0), run(6.2)) == ["best value", "worse"]
    assert says(run(6.2), run(5.0)) == ["worse", "best value"]
    assert says(run(5.0, 0.001), run(5.01, 0.001)) == ["best value", "worse"]


def test_more_runs_need_a_larger_difference() -> None:
    low, high = run(5.0), run(6.0)
    between = [run(5.0 + i / 20) for i in range(1, 8)]
    assert says(low, high)[1] == "worse"
    assert says(low, *between, high)[-1] == "not told apart"


def test_the_direction_of_a_pair_follows_the_metric() -> None:
    (pair,) = [pair for pair in pairs([run(5.0), run(9.0)]) if pair.key == keys.FID]
    assert (pair.second_is, pair.difference) == ("worse", 4.0)
    (pair,) = [pair for pair in pairs([run(9.0), run(5.0)]) if pair.key == keys.FID]
    assert pair.second_is == "better"


def drawn(*trainings: list[float]) -> RunRecord:
    """A trial without an error of its own, with the draws of each training."""
    bare = run(float(np.mean(trainings)), None)
    return replace(bare, draws={keys.FID: trainings})


def test_trials_are_judged_by_the_spread_of_their_draws() -> None:
    assert says(drawn([5.0, 5.1, 4.9]), drawn([6.0, 6.1, 5.9])) == ["best value", "worse"]
    assert says(drawn([4.0, 5.1, 5.9]), drawn([5.0, 6.1, 6.9])) == ["best value", "not told apart"]
    (pair,) = [p for p in pairs([drawn([5.0, 5.1]), drawn([6.0, 6.1])]) if p.key == keys.FID]
    assert pair.difference == pytest.approx(1.0) and 0 < pair.needed < 1


def test_draws_of_several_trainings_are_not_independent() -> None:
    many = [[4.0, 4.01, 4.02], [5.0, 5.01, 5.02], [6.0, 6.01, 6.02]]
    higher = [[value + 1 for value in training] for training in many]
    assert says(drawn(*many), drawn(*higher)) == ["best value", "not told apart"]
    assert says(drawn(sum(many, [])), drawn(sum(higher, [])))[1] == "worse"
    error = shown_error(drawn(*many), keys.FID)
    assert error == pytest.approx(np.std([4.01, 5.01, 6.01], ddof=1) / 3**0.5)


def test_a_trial_with_draws_stands_beside_a_run_with_an_error() -> None:
    assert says(drawn([5.0, 5.01, 4.99]), run(9.0, 0.1)) == ["best value", "worse"]
    assert says(drawn([4.0, 5.0, 6.0]), run(6.0, 0.1)) == ["best value", "not told apart"]


def test_equal_trials_with_draws_are_seldom_told_apart() -> None:
    rng, told = np.random.default_rng(0), 0
    for _ in range(400):
        trials = [drawn(list(rng.normal(5, 0.3, 3))) for _ in range(4)]
        told += any(pair.second_is != "not told apart" for pair in pairs(trials))
    assert told <= 400 * 0.08  # 5 % and three standard errors


def test_an_exported_study_of_several_draws_is_judged_by_them() -> None:
    found = named_records(["epsilon-mnist_cpu"], _Store(), load_paths(ROOT), 9, ROOT)
    assert set(says(*found)) >= {"best value", "worse"}
    assert "standard error of their mean" in " ".join(caveats(found))
    assert "±" not in comparison_text(found) and "+-" in comparison_text(found)


def test_trials_of_an_exported_study_have_the_values_that_their_axes_stand_for() -> None:
    rates = {"constant 0.003": "0.003", "cosine 0.008": "0.008"}
    for trial in named_records(["recipe-digits"], _Store(), load_paths(ROOT), 4, ROOT):
        assert trial.params["train.learning_rate"] == rates[trial.params["rate"]]
    levels = {"full": "22", "without_1_2_4": "10", "ncsn": "10"}
    of_earlier_version = ["ncsnv2_leave_out-digits-oracle"]
    for trial in named_records(of_earlier_version, _Store(), load_paths(ROOT), 3, ROOT):
        assert trial.params["noise.num_levels"] == levels[trial.params["techniques"]]
    for trial in named_records(["sigma_min-digits-oracle"], _Store(), load_paths(ROOT), 3, ROOT):
        assert "sampler.epsilon" not in trial.params  # it moved along, and was not exported


def test_without_an_error_nothing_is_judged() -> None:
    assert says(run(5.0, None), run(50.0, None)) == ["not judged", "not judged"]
    assert "Not judged" in " ".join(findings([run(5.0, None), run(50.0, None)]))


@pytest.mark.parametrize(
    ("texts", "params", "named"),
    [
        ({keys.FID_NUM_SAMPLES: "300"}, {}, "generated images: 500 | 300"),
        ({keys.NUM_REFERENCE: "300"}, {}, "reference images: 359 | 300"),
        ({keys.WEIGHTS_SHA256: "v" * 64}, {}, "extractor weights: wwwwwwwwww | vvvvvvvvvv"),
        ({keys.CLASSIFIER_SEED: "2"}, {}, "classifier seed: 1 | 2"),
        ({keys.FEATURE_LAYER: "64"}, {}, "layer: 128 | 64"),
        ({"data.test_sha256": "x" * 64}, {}, "test images"),
        ({}, {"data__name": "mnist"}, "data set: digits | mnist"),
        ({}, {"reference__split": "train"}, "reference split: test | train"),
    ],
)
def test_other_conditions_are_named_and_never_compared(texts, params, named) -> None:
    runs = [run(5.0), run(50.0, texts=texts, **params)]
    assert len(groups(runs)) == 2 and pairs(runs) == [] and findings(runs) == []
    assert named in " ".join(notices(runs))
    text = comparison_text(runs)
    assert "cannot be compared" in " ".join(text.split())
    assert "!" not in text.replace(" ! worse beyond the noise", "")


def test_what_a_run_does_not_record_is_said() -> None:
    bare = run(5.5)
    texts = {key: value for key, value in TEXTS.items() if not key.startswith("data.")}
    runs = [run(5.0), RunRecord("trial", "study", bare.params, bare.metrics, texts)]
    assert len(groups(runs)) == 1
    assert "B: train images not recorded" in " ".join(notices(runs))


def test_params_that_differ_are_those_that_decide() -> None:
    table = differing_params([run(5.0), run(6.0, sampler__epsilon=5e-5, track__uri="there")])
    assert list(table.index) == ["sampler.epsilon"] and list(table.loc["sampler.epsilon"])[1]


def test_samples_of_other_seeds_are_not_called_the_same_noise() -> None:
    assert "same noise (seed 1)" in same_noise([run(5.0), run(6.0)])
    assert "unrelated images" in same_noise([run(5.0), run(6.0, sample__seed=2)])
    assert "unrelated images" in same_noise([run(5.0), run(6.0, sample__block_size=50)])


def test_losses_of_other_ladders_are_not_called_comparable() -> None:
    one, two = run(5.0, noise__num_levels=10), run(6.0, noise__num_levels=20)
    assert "cannot be compared: noise.num_levels" in curves_note([one, two])
    assert "one kind" in curves_note([one, one])


@pytest.mark.parametrize("count", [2, 12, 26])
def test_the_terminal_has_120_columns(count) -> None:
    runs = [run(5 + i, sampler__epsilon="1" * 40, noise__sigma_max=i) for i in range(count)]
    lines = comparison_text(runs).splitlines()
    assert max(map(len, lines)) <= WIDTH == 120


def test_no_mark_and_no_error_is_cut_off() -> None:
    small = [drawn([0.000367, 0.000389, 0.000401]), drawn([0.00463, 0.00452, 0.00478])]
    rows = [line.split() for line in comparison_text(small).splitlines() if " FID 0" in line]
    assert [cell[-1] for row in rows for cell in row if "+-" in cell] == ["*", "!"]


def test_the_page_is_whole_by_itself_and_the_tables_hold_the_numbers(tmp_path) -> None:
    runs = [run(5.0), run(7.0, sampler__epsilon=5e-5)]
    page = write_comparison(runs, tmp_path / "compare", {"charts": "http://127.0.0.1:5000/#/x"})
    text = page.read_text()
    assert not re.findall(r'(?:src|url)[=(]["\']?(?!data:)http', text)
    assert text.count("data:image/png") == 2 and "sampler.epsilon" in text and ">worse<" in text
    metrics = pd.read_csv(page.with_name("metrics.csv"))
    fid = metrics[metrics["metric"] == keys.FID]
    assert list(fid["value"]) == [5.0, 7.0] and list(fid["verdict"]) == ["best value", "worse"]
    assert list(pd.read_csv(page.with_name("pairs.csv"))["second_is"]) == ["worse"]
    assert list(pd.read_csv(page.with_name("runs.csv"))["sampler.epsilon"]) == [1e-4, 5e-5]
    write_comparison(runs[:1] * 2, tmp_path / "compare", {})  # its own folder is replaced
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        write_comparison(runs, tmp_path / "mine", {})


class _Store:
    """Knows one run."""

    def named(self, name: str, trials: int) -> list[RunRecord]:
        return [run(5.0)] if name == "digits FID 5" else []

    def names(self) -> list[str]:
        return ["digits FID 5"]


def test_names_are_found_in_the_store_among_studies_and_in_git() -> None:
    paths = load_paths(ROOT)
    found = named_records(["digits FID 5", "epsilon-digits", "HEAD"], _Store(), paths, 2, ROOT)
    assert [one.source.partition(",")[0] for one in found] == [
        "here", "reports/sweeps/epsilon-digits", "reports/sweeps/epsilon-digits", "DVC",
    ]  # fmt: skip
    assert keys.FID in found[-1].metrics and found[-1].params["data.name"]
    assert found[1].metrics[keys.FID] <= found[2].metrics[keys.FID]


def test_a_study_is_found_though_several_runs_begin_like_it() -> None:
    class Ambiguous(_Store):
        def named(self, name: str, trials: int) -> list[RunRecord]:
            raise UserError(f"{name}: several runs are called so")

    found = named_records(["epsilon-digits"], Ambiguous(), load_paths(ROOT), 2, ROOT)
    assert [one.source for one in found] == ["reports/sweeps/epsilon-digits"] * 2


def test_an_unknown_name_has_a_nearest_one() -> None:
    with pytest.raises(UserError, match="Did you mean 'epsilon-digits'"):
        named_records(["epsilon-digit"], _Store(), load_paths(ROOT), 2, ROOT)
    with pytest.raises(UserError, match="needs two runs, found 1"):
        require_several([run(5.0)])
