"""The best of a search is drawn again by itself, and that value is the one shown as best."""

import io
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams
from ncsn.sweep.results.export import export_study
from ncsn.sweep.results.findings import best_trials
from ncsn.sweep.results.status import numbers, status_lines
from ncsn.sweep.search.confirm import confirm_best
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.read import StudyData, read_study
from ncsn.sweep.search.study import load_study, note_confirmed, opened_study
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import Plan, made_plan
from ncsn.sweep.studies.seeds import search_seeds
from ncsn.sweep.studies.study import checked_spec

sys.path.append(str(Path(__file__).parent))  # worker processes import the pipelines by name

import fake_pipeline  # noqa: E402

PARAMS = read_yaml(Path(__file__).parents[2] / "params.yaml")
SOURCE = {"commit": "c" * 40, "dirty": False}
EPSILONS = (1e-4, 2e-4, 3e-4, 4e-4, 5e-4)
Behaviour = Callable[..., float]


def _spec(**budget: Any) -> dict[str, Any]:
    limits = {"trials": len(EPSILONS), "hours": 1.0, "confirm": 2, **budget}
    return {
        "purpose": "How far the distance depends on epsilon.",
        "objectives": {"eval/fid": "minimize"},
        "scientific": ["sampler.epsilon"],
        "space": {"sampler.epsilon": {"type": "categorical", "choices": list(EPSILONS)}},
        "sampler": {"name": "grid"},
        "sizes": {
            "digits": {"preset": "digits", "fixed": {"sample.num_samples": 200}, "budget": limits}
        },
    }


def _sweep(folder: Path, behave: Behaviour, draws: int = 1, **budget: Any) -> Sweep:
    spec = checked_spec({**_spec(**budget), "draws": draws}, "studies/epsilon.yaml")
    plan = made_plan("epsilon", spec, "digits", "network", PARAMS)
    params = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=2, max_retry=2)
    return Sweep(
        plan=plan,
        pipeline=fake_pipeline.FakePipeline(folder / "journal", behave),
        store=Store(params, folder),
        limits=Limits(plan.budget.trials, time.time() + 60),
        track=None,
    )


def _storage(sweep: Sweep) -> Any:
    return open_storage(sweep.store.params, sweep.store.root)


def _searched(sweep: Sweep) -> None:
    """The search alone, by one worker in this process."""
    opened_study(_storage(sweep), sweep.plan, SOURCE)
    take_trials(sweep, Stop())


def _confirmed(sweep: Sweep) -> list[str]:
    """What the driver does after the search; returns the printed lines."""
    budget = sweep.plan.budget
    with redirect_stdout(io.StringIO()) as printed:
        confirm_best(
            _storage(sweep),
            sweep.plan,
            sweep.pipeline,
            budget.num_confirmed,
            budget.confirm_draws,
        )
    return printed.getvalue().splitlines()


def _data(sweep: Sweep) -> StudyData:
    return read_study(_storage(sweep), sweep.plan.name)


def _begun(sweep: Sweep) -> list[dict[str, Any]]:
    return [entry["values"] for entry in fake_pipeline.started(sweep.store.root / "journal")]


def test_run_draws_the_best_again_with_seeds_that_no_trial_had(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy, draws=2)
    with redirect_stdout(io.StringIO()) as printed:
        run_study(sweep, fake_pipeline.launcher(sweep), 1, SOURCE)
    data, begun = _data(sweep), _begun(sweep)
    searched, again = begun[:10], begun[10:]
    assert {values["sample.seed"] for values in searched} == {1234, 1235}
    assert [values["sample.seed"] for values in again] == [1236, 1237, 1238] * 2
    by_value = sorted(data.trials, key=lambda trial: trial.objectives)
    for i, trial in enumerate(by_value[:2]):
        for values in again[3 * i : 3 * i + 3]:  # count, network and the rest are the trial's own
            assert {**values, "sample.seed": 0} == {**trial.values, "sample.seed": 0}
    fresh = data.attrs["confirmed"][str(by_value[0].number)]["values"]["eval/fid"]
    head = f"best: trial {by_value[0].number}: eval/fid {fmean(fresh):.3g} +- "
    lines = printed.getvalue().splitlines()
    assert any(line.startswith(head) for line in lines), lines
    assert any("3 fresh draws" in line and "+- is one standard error" in line for line in lines)


def test_the_fresh_value_is_the_best_one_everywhere(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy)
    _searched(sweep)
    before = numbers(_data(sweep))["best/eval/fid"]
    _confirmed(sweep)
    data = _data(sweep)
    best = best_trials(data)[0]
    fresh = fmean(data.attrs["confirmed"][str(best.number)]["values"]["eval/fid"])
    assert best.objectives == (before,) and fresh != pytest.approx(before)
    told = numbers(data)  # of the parent run in MLflow
    assert (told["best/eval/fid"], told["best/eval/fid_in_search"]) == (fresh, before)
    assert told["best/eval/fid_error"] > 0
    summary = export_study(_storage(sweep), data.name, tmp_path / "out")
    for shown in (summary["best"][0], summary["theory_and_search"]["best"]):
        assert (shown["number"], shown["shown"]["eval/fid"]["mean"]) == (best.number, fresh)
        assert shown["shown"]["eval/fid"]["fresh"]
    assert any(f" --trial {best.number} " in f"{line} " for line in summary["commands"])
    assert f" {fresh:.3g} +- " in "\n".join(status_lines(data, 5))
    rows = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert "fresh/eval/fid" in rows[0] and "told_apart" in rows[0]


def test_what_is_drawn_again_is_not_drawn_a_third_time(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy)
    _searched(sweep)
    assert len(_confirmed(sweep)) == 2
    begun = len(_begun(sweep))
    assert _confirmed(sweep) == [] and len(_begun(sweep)) == begun
    more = _sweep(tmp_path, fake_pipeline.flat_and_noisy, confirm=3)
    assert len(_confirmed(more)) == 1 and len(_begun(sweep)) == begun + 3


@pytest.mark.parametrize(("budget", "count"), [({"confirm": 0}, 0), ({"confirm": None}, 3)])
def test_how_many_points_are_drawn_again(tmp_path, budget, count):
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy, **budget)
    _searched(sweep)
    assert len(_confirmed(sweep)) == count
    few = _sweep(tmp_path, fake_pipeline.flat_and_noisy, **budget, trials=2)
    assert few.plan.budget.num_confirmed == min(count, 2)


def test_a_point_that_is_better_beyond_the_noise_takes_the_place_of_the_first(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.lucky_in_the_search)
    _searched(sweep)
    assert best_trials(_data(sweep))[0].point == {"sampler.epsilon": 2e-4}
    _confirmed(sweep)
    assert best_trials(_data(sweep))[0].point == {"sampler.epsilon": 1e-4}


def test_fresh_draws_do_not_choose_within_the_noise(tmp_path):
    """Or their best would be too good again."""
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy, confirm=5)
    _searched(sweep)
    first = best_trials(_data(sweep))[0]
    _confirmed(sweep)
    data = _data(sweep)
    fresh = {n: fmean(e["values"]["eval/fid"]) for n, e in data.attrs["confirmed"].items()}
    assert min(fresh, key=fresh.__getitem__) != str(first.number)
    assert best_trials(data)[0].number == first.number


def test_a_point_that_diverges_when_drawn_again_is_not_the_best(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.diverges_when_drawn_again)
    _searched(sweep)
    lines = _confirmed(sweep)
    assert len(lines) == 3  # the next one takes its place
    assert "diverged with sample.seed 1235: sample: not a number; it does not count" in lines[0]
    assert best_trials(_data(sweep))[0].point == {"sampler.epsilon": 1e-4}


def test_an_interrupted_confirmation_goes_on(tmp_path):
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy)
    _searched(sweep)
    left = 4

    def interrupted(values: Any, folder: Path) -> float:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return fake_pipeline.flat_and_noisy(values, folder)

    pipeline = fake_pipeline.FakePipeline(tmp_path / "journal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _confirmed(replace(sweep, pipeline=pipeline))
    assert len(_data(sweep).attrs["confirmed"]) == 1
    assert len(_confirmed(sweep)) == 1


def test_notes_of_another_number_of_images_do_not_count(tmp_path):
    """As an earlier version left them: the preset's number, whatever the study's."""
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy)
    _searched(sweep)
    study = load_study(_storage(sweep), sweep.plan.name)
    best = best_trials(_data(sweep))[0]
    entry = {"seeds": [1235, 1236, 1237], "num_samples": 500, "values": {"eval/fid": [0.1] * 3}}
    note_confirmed(study, best.number, entry)
    assert numbers(_data(sweep))["best/eval/fid"] == best.objectives[0]
    assert len(_confirmed(sweep)) == 2


def test_a_study_of_an_earlier_version_goes_on(tmp_path):
    """Its draws are noted as `seeds`, and it knows of no trainings."""
    sweep = _sweep(tmp_path, fake_pipeline.flat_and_noisy, draws=3)
    _searched(sweep)
    study = load_study(_storage(sweep), sweep.plan.name)
    deciding, spec = (dict(study.user_attrs[name]) for name in ("deciding", "spec"))
    for name, values in (("deciding", deciding), ("spec", spec)):
        values["seeds"] = values.pop("draws")
        del values["trainings"]
        values.pop("fixed.train.seed", None)
        study.set_user_attr(name, values)
    summary = export_study(_storage(sweep), sweep.plan.name, tmp_path / "out")
    assert summary["draws"] == 3 and "drawn 3 times" in summary["conclusions"][0]
    opened_study(_storage(sweep), sweep.plan, SOURCE)


def test_a_size_may_have_draws_of_its_own(tmp_path):
    spec = {**_spec(), "draws": 3}
    spec["sizes"]["small"] = {**spec["sizes"]["digits"], "draws": 1}
    checked = checked_spec(spec, "studies/epsilon.yaml")
    seeds = {
        size: _samples(made_plan("epsilon", checked, size, "network", PARAMS))
        for size in spec["sizes"]
    }
    assert seeds == {"digits": (1234, 1235, 1236), "small": (1234,)}


def _samples(plan: Plan) -> tuple[int, ...]:
    return search_seeds(plan, plan.values({})).samples
