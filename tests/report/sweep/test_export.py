"""trials.csv and study.json say what the study holds, and their numbers add up."""

import csv
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from ncsn.base.errors import UserError
from ncsn.base.files import read_json
from ncsn.sweep.arguments import setting
from ncsn.sweep.results.export import export_study
from ncsn.sweep.search.read import read_study

Exported = Callable[[optuna.Study], Path]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def one_axis(synthetic: Any, values: list[float], sampler: str = "tpe", **axis: Any) -> Any:
    """A study over epsilon whose trials have FID = their distance to the first value."""
    axes = {"sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True} | axis}
    study = synthetic.make_study("epsilon-digits", axes, sampler=sampler)
    for value in values:
        fid = 1 + abs(math.log10(value / values[0]))
        synthetic.add_trial(study, axes, {"sampler.epsilon": value}, [fid])
    return study


def test_counts_add_up(synthetic: Any, exported: Exported) -> None:
    folder = exported(synthetic.joint())
    summary, rows = read_json(folder / "study.json"), rows_of(folder)
    counts = summary["counts"]
    assert sum(counts.values()) == len(rows) == 40
    assert {state: sum(row["state"] == state for row in rows) for state in counts} == counts
    reuse = summary["trainings"]
    keys = {row["train_key"] for row in rows}
    assert reuse["distinct_keys"] == len(keys) == reuse["ran"]
    assert reuse["saved"] + reuse["ran"] == reuse["trials"] == 40
    seconds = sum(float(row["seconds"]) for row in rows)
    assert summary["worker_seconds"] == pytest.approx(seconds)
    assert summary["conditions"]["eval/num_reference"] == [359]


def test_the_best_is_feasible_and_least(synthetic: Any, exported: Exported) -> None:
    folder = exported(synthetic.joint())
    best = read_json(folder / "study.json")["best"]
    fids = [trial["objectives"]["eval/fid"] for trial in best]
    assert fids == sorted(fids) and all(trial["feasible"] for trial in best)
    ok = [r for r in rows_of(folder) if r["state"] == "complete" and r["feasible"] == "True"]
    assert fids[0] == min(float(row["eval/fid"]) for row in ok)
    shown = best[0]["shown"]["eval/fid"]
    assert (shown["mean"], shown["draws"], shown["fresh"]) == (pytest.approx(fids[0]), 2, False)
    assert shown["std"] == pytest.approx(fids[0] * 0.1 / math.sqrt(2))
    assert shown["error"] == pytest.approx(fids[0] * 0.05)


def test_the_front_is_what_optuna_calls_it(synthetic: Any, exported: Exported) -> None:
    objectives = {synthetic.FID: "minimize", synthetic.EVALUATIONS: "minimize"}
    study = synthetic.joint(objectives=objectives)
    best = read_json(exported(study) / "study.json")["best"]
    assert {trial["number"] for trial in best} == {trial.number for trial in study.best_trials}


def test_a_front_with_a_maximised_objective(synthetic: Any, exported: Exported) -> None:
    axes = {"a": {"type": "float", "low": 0.0, "high": 1.0}}
    study = synthetic.make_study("p", axes, {"eval/fid": "minimize", "eval/recall": "maximize"})
    for a, values in ((0.1, [1.0, 0.2]), (0.2, [2.0, 0.9]), (0.3, [3.0, 0.5])):
        synthetic.add_trial(study, axes, {"a": a}, values)
    assert [t["number"] for t in read_json(exported(study) / "study.json")["best"]] == [0, 1]


@pytest.mark.parametrize(
    ("best", "side"), [(1e-6, "low"), (1.5e-6, "low"), (1e-4, None), (7e-3, "high"), (2e-6, None)]
)
def test_an_edge_warning_appears_at_the_edge_alone(
    synthetic: Any, exported: Exported, best: float, side: str | None
) -> None:
    """A twentieth of the four decades is a factor of 1.58 at either end."""
    folder = exported(one_axis(synthetic, [best, 3e-5, 3e-4]))
    edges = read_json(folder / "study.json")["edges"]
    assert [edge["side"] for edge in edges] == ([side] if side else [])


def test_the_last_point_of_a_grid_is_an_edge_and_the_last_one_tried_so_far_is_not(
    synthetic: Any, exported: Exported
) -> None:
    study = one_axis(synthetic, [1e-2, 1e-4, 1e-6], sampler="grid")
    assert read_json(exported(study) / "study.json")["edges"][0]["side"] == "high"
    unfinished = one_axis(synthetic, [1e-4, 1e-3], sampler="grid")
    assert read_json(exported(unfinished) / "study.json")["edges"] == []


@pytest.mark.parametrize("evaluator", ["fANOVA", "PED-ANOVA"])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_one_driver_comes_first(
    synthetic: Any, exported: Exported, evaluator: str, direction: str
) -> None:
    axes = {k: v for k, v in synthetic.AXES.items() if not k.startswith("noise.n")}
    study = synthetic.make_study("d", axes, {"eval/fid": direction})
    sign = 1 if direction == "minimize" else -1
    for point in synthetic.random_points(40, axes):
        value = sign * math.log10(point["noise.sigma_min"] / 0.012) ** 2
        synthetic.add_trial(study, axes, point, [value])
    found = read_json(exported(study) / "study.json")["importances"]["eval/fid"][evaluator]
    assert next(iter(found["shares"])) == "noise.sigma_min"
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert found["shares"]["noise.sigma_min"] > 0.5


def test_absent_importances_say_why(synthetic: Any, exported: Exported) -> None:
    one = read_json(exported(one_axis(synthetic, [1e-4, 1e-3])) / "study.json")
    assert "one axis" in one["importances"]["eval/fid"]["fANOVA"]["absent"]
    few = read_json(exported(synthetic.joint(count=4)) / "study.json")["importances"]
    assert "4 complete trials" in few["eval/fid"]["PED-ANOVA"]["absent"]
    flat = synthetic.make_study("flat")
    for point in synthetic.random_points(10, synthetic.AXES):
        synthetic.add_trial(flat, synthetic.AXES, point, [1.0])
    found = read_json(exported(flat) / "study.json")["importances"]["eval/fid"]
    assert all("absent" in share for share in found.values()), found


def test_theory_stands_beside_search(synthetic: Any, exported: Exported) -> None:
    compared = read_json(exported(synthetic.joint()) / "study.json")["theory_and_search"]
    assert list(compared) == ["advised", "present", "best"]
    assert compared["advised"]["number"] == 0 and compared["present"]["number"] == 1
    assert compared["advised"]["point"] == synthetic.ADVISED
    untried = synthetic.make_study("untried", advised=synthetic.ADVISED)
    row = read_json(exported(untried) / "study.json")["theory_and_search"]["advised"]
    assert row == {"number": None, "point": synthetic.ADVISED, "objectives": {}}


def test_commands_name_the_best_trial(synthetic: Any, exported: Exported) -> None:
    summary = read_json(exported(synthetic.joint("joint-digits-oracle")) / "study.json")
    number = summary["best"][0]["number"]
    study = "joint --size digits --model oracle"
    assert summary["commands"] == [
        "python pipeline/sweep.py import joint-digits-oracle",
        f"python pipeline/sweep.py run {study}",
        f"python pipeline/sweep.py apply {study} --trial {number} --all",
        "dvc repro",
    ]


def test_the_command_repeats_what_was_set(synthetic: Any, exported: Exported) -> None:
    """Without it, `run` would refuse the study as one of other data."""
    settings = {"data.path": "/my images/a.npz", "reference.feature_layer": "768", "x.y": None}
    study = synthetic.joint("joint-digits")
    study.set_user_attr("settings", settings)
    summary = read_json(exported(study) / "study.json")
    words = shlex.split(summary["commands"][1])
    set_ = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert dict(map(setting, set_)) == settings


def test_an_empty_study_is_exported(synthetic: Any, exported: Exported) -> None:
    folder = exported(synthetic.make_study("empty"))
    summary = read_json(folder / "study.json")
    assert summary["best"] == [] and summary["wall_seconds"] == 0 and rows_of(folder) == []


def test_wall_time_counts_no_pauses(synthetic: Any, exported: Exported) -> None:
    axes = {"a": {"type": "float", "low": 0.0, "high": 1.0}}
    study = synthetic.make_study("w", axes)
    spans = [("00:00:00", "00:00:10"), ("00:00:05", "00:00:12"), ("05:00:00", "05:00:03")]
    for start, end in spans:
        times = {"started": f"2026-01-01T{start}+00:00", "finished": f"2026-01-01T{end}+00:00"}
        synthetic.add_trial(study, axes, {"a": 0.5}, [1.0], **times)
    assert read_json(exported(study) / "study.json")["wall_seconds"] == 15


def test_trials_without_a_reason_get_one(synthetic: Any, exported: Exported) -> None:
    axes = {"a": {"type": "float", "low": 0.0, "high": 1.0}}
    study = synthetic.make_study("r", axes)
    synthetic.add_trial(study, axes, {"a": 0.5}, None, state="failed")
    study.enqueue_trial({"a": 0.5})
    trial = study.ask(  # what Optuna's retry leaves
        {"a": optuna.distributions.FloatDistribution(0, 1)}
    )
    study._storage.set_trial_system_attr(trial._trial_id, "retry_history", [0])
    folder = exported(study)
    assert rows_of(folder)[0]["reason"].endswith("tried again as trial 1")
    assert read_json(folder / "study.json")["counts"]["running"] == 1


def test_a_study_in_a_database_is_found_by_its_address(synthetic: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    optuna.create_study(study_name="joint-digits", storage=url)
    assert export_study(url, "joint-digits", tmp_path / "out")["study"] == "joint-digits"
    with pytest.raises(UserError, match="there are joint-digits.*Did you mean 'joint-digits'"):
        read_study(url, "join-digits")


def test_axes_are_those_of_the_size(synthetic: Any) -> None:
    study = synthetic.make_study()
    spec = dict(study.user_attrs["spec"])
    narrow = {"type": "float", "low": 0.5, "high": 2.0, "log": True}
    spec["sizes"]["digits"]["space"] = {"noise.sigma_max": narrow}
    study.set_user_attr("spec", spec)
    axes = read_study(study._storage, study.study_name).axes
    assert axes["noise.sigma_max"] == narrow
    assert axes["sampler.epsilon"] == synthetic.AXES["sampler.epsilon"]
