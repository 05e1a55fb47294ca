"""A point may be trained from several seeds; draws of one training are not taken for more."""

import io
import json
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd
import pytest
from tiny import TINY, output_of, tiny_project

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams
from ncsn.sweep.results.conclusions import conclusions
from ncsn.sweep.results.export import export_study
from ncsn.sweep.results.status import status_lines
from ncsn.sweep.search.confirm import confirm_best
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.read import StudyData, read_study
from ncsn.sweep.search.study import opened_study
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import made_plan
from ncsn.sweep.studies.study import checked_spec

sys.path.append(str(Path(__file__).parent))  # worker processes import the pipelines by name

import fake_pipeline  # noqa: E402

SOURCE = {"commit": "c" * 40, "dirty": False}
PARAMS = read_yaml(Path(__file__).parents[2] / "params.yaml")
SPEC: dict[str, Any] = {
    "purpose": "How far the distance depends on epsilon.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": {"type": "categorical", "choices": [1e-4, 2e-4]}},
    "sampler": {"name": "grid"},
    "trainings": 2,
    "draws": 2,
    "sizes": {"digits": {"preset": "digits", "budget": {"trials": 2, "hours": 1.0}}},
}


def _sweep(
    folder: Path, model: str = "network", budget: Mapping[str, Any] | None = None, **changes: Any
) -> Sweep:
    limits = {"trials": 2, "hours": 1.0, "confirm": 1, **(budget or {})}
    size = {"preset": "digits", "budget": limits}
    spec = checked_spec({**SPEC, "sizes": {"digits": size}, **changes}, "studies/epsilon.yaml")
    plan = made_plan("epsilon", spec, "digits", model, PARAMS)
    params = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=2, max_retry=2)
    return Sweep(
        plan=plan,
        pipeline=fake_pipeline.FakePipeline(folder / "journal", fake_pipeline.networks_differ),
        store=Store(params, folder),
        limits=Limits(plan.budget.trials, time.time() + 60),
        track=None,
    )


def _run(sweep: Sweep) -> list[str]:
    """What `run` does, by one worker in this process; returns the printed lines."""
    plan, storage = sweep.plan, _storage(sweep)
    opened_study(storage, plan, SOURCE)
    with redirect_stdout(io.StringIO()) as printed:
        take_trials(sweep, Stop())
        points, draws = plan.budget.num_confirmed, plan.budget.confirm_draws
        confirm_best(storage, plan, sweep.pipeline, points, draws)
        print("\n".join(status_lines(read_study(storage, plan.name), 2)))
    return printed.getvalue().splitlines()


def _storage(sweep: Sweep) -> Any:
    return open_storage(sweep.store.params, sweep.store.root)


def _data(sweep: Sweep) -> StudyData:
    return read_study(_storage(sweep), sweep.plan.name)


def _seeds(sweep: Sweep) -> list[tuple[int | None, int]]:
    begun = fake_pipeline.started(sweep.store.root / "journal")
    return [(e["values"]["train.seed"], e["values"]["sample.seed"]) for e in begun]


def test_each_point_is_trained_and_drawn_so_often_and_again_with_fresh_seeds(tmp_path):
    sweep = _sweep(tmp_path, budget={"confirm_draws": 3})
    lines = _run(sweep)
    point = [(None, 1234), (None, 1235), (1235, 2234), (1235, 2235)]
    again = [(1236, s) for s in (3234, 3235, 3236)] + [(1237, s) for s in (4234, 4235, 4236)]
    assert _seeds(sweep) == [*point, *point, *again]  # the first training is the shared one
    data = _data(sweep)
    for trial in data.trials:
        values = trial.by_seed["eval/fid"]
        assert (trial.train_seeds, trial.seeds) == ((1234, 1235), (1234, 1235, 2234, 2235))
        assert trial.objectives == (pytest.approx(fmean(values)),)
        assert list(trial.trained) == ["key", "key 1235"]
    assert any("3 draws of each of 2 fresh trainings, " in line for line in lines)
    assert _run(sweep) and len(_seeds(sweep)) == 14  # nothing is drawn a second time


def test_the_error_is_that_of_the_means_of_trainings_wherever_it_stands(tmp_path):
    sweep = _sweep(tmp_path, budget={"confirm": 0})
    lines, data = _run(sweep), _data(sweep)
    best = min(data.trials, key=lambda trial: trial.objectives)
    values = best.by_seed["eval/fid"]
    error = stdev([fmean(values[:2]), fmean(values[2:])]) / 2**0.5
    assert any(f"eval/fid {fmean(values):.3g} +- {error:.2g}" in line for line in lines)
    summary = export_study(_storage(sweep), data.name, tmp_path / "out")
    shown = summary["best"][0]["shown"]["eval/fid"]
    assert shown["error"] == pytest.approx(error)
    assert (shown["draws"], shown["trainings"]) == (2, 2)
    assert (summary["draws"], summary["num_trainings"]) == (2, 2)
    assert summary["trainings"]["needed"] == 4 and summary["trainings"]["distinct_keys"] == 2
    table = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert table["trainings"].tolist() == table["draws"].tolist() == [2, 2]
    assert table["train_seeds"].tolist() == ["1234 1235"] * 2
    text = " ".join(conclusions(data))
    head = "Each point was trained 2 times in the search, each network drawn 2 times. FID of one "
    assert text.startswith(f"{head}training, as a mean of 2 draws, has the standard deviation")
    assert "pooled with 2 degrees of freedom" in text
    assert "over a point's trainings, from the spread of their means" in text
    assert "was not measured" not in text


def test_a_search_of_one_training_is_confirmed_by_fresh_ones(tmp_path):
    """The spread of trainings is then known, and counted for the points that have one."""
    sweep = _sweep(tmp_path, trainings=1, draws=1, budget={"confirm_trainings": 3})
    _run(sweep)
    assert [train for train, _ in _seeds(sweep)] == [None] * 2 + [1235] * 3 + [1236] * 3 + [
        1237
    ] * 3
    text = " ".join(conclusions(_data(sweep)))
    assert "1 point again in 3 fresh trainings. No point of the search has a spread of tr" in text
    assert "1 point of 2 had one training; the spread between trainings, known from" in text


def test_with_one_training_it_says_that_its_spread_is_not_in_the_bars(tmp_path):
    sweep = _sweep(tmp_path, trainings=1)
    lines = _run(sweep)
    assert [train for train, _ in _seeds(sweep)] == [None] * 7  # the network of the search
    end = "+- is one standard error, the spread between trainings not in it"
    assert any(line.endswith(end) for line in lines)
    assert "draws; the spread between trainings is not in it." in " ".join(
        conclusions(_data(sweep))
    )


def test_an_exact_score_has_no_training_to_repeat(tmp_path, capsys):
    """A study file serves both, so that it is told and no error."""
    sweep = _sweep(tmp_path, model="oracle", budget={"confirm": 0})
    assert sweep.plan.deciding() == _sweep(tmp_path).plan.deciding()
    run_study(sweep, fake_pipeline.launcher(sweep), 1, SOURCE)
    told = "studies/epsilon.yaml: trainings (value 2): an exact score has no training, so each"
    assert capsys.readouterr().err.count(told) == 1
    assert _seeds(sweep) == [(None, 1234), (None, 1235)] * 2
    data = _data(sweep)
    assert "+- is one standard error" in " ".join(status_lines(data, 2))
    assert "trainings" not in " ".join([*conclusions(data), *status_lines(data, 2)])


def test_the_pruner_sees_the_first_training_alone(tmp_path):
    pruner = {"name": "median", "startup_trials": 1, "warmup_steps": 0}
    choices = [1e-4, 2e-4]
    space = {"sampler.epsilon": {"type": "categorical", "choices": choices}}
    sweep = _sweep(tmp_path, pruner=pruner, space=space, budget={"confirm": 0})
    _run(sweep)
    assert [trial.state for trial in _data(sweep).trials] == ["complete", "pruned"]
    assert len(_seeds(sweep)) == 4 + 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tiny_study_trains_each_network_once(tmp_path):
    main = tiny_project(tmp_path / "main")
    size = {"preset": "digits", "budget": {"trials": 2, "hours": 1.0, "confirm": 0}}
    (main / "studies").mkdir()
    tiny = {k: v for k, v in TINY.items() if k.split(".")[0] not in ("base", "toy", "report")}
    spec = {**SPEC, "sizes": {"digits": {**size, "fixed": tiny}}}
    (main / "studies" / "mine.yaml").write_text(json.dumps(spec))
    python = (sys.executable, "pipeline/sweep.py")
    said = output_of(main, *python, "run", "mine", "--no-tracking", "--allow-dirty")
    assert "2 of 2 trials ended (2 complete)" in said and "2 draws of each of 2 trainings" in said
    output_of(main, *python, "report", "mine")
    summary = json.loads((main / "reports/sweeps/mine-digits/study.json").read_text())
    reuse = summary["trainings"]
    assert (reuse["needed"], reuse["distinct_keys"], reuse["ran"], reuse["saved"]) == (4, 2, 2, 2)
    assert summary["counts"]["complete"] == 2
    page = (main / "reports/sweeps/mine-digits/index.html").read_text()
    assert "mean of 2 draws of each of 2 trainings" in page
