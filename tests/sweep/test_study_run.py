"""Studies as they run: workers are real processes, the DAG is a function."""

import io
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams
from ncsn.sweep.results.status import status_lines
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.opening import open_study
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.study import load_study, set_aside, tally
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import Plan, made_plan
from ncsn.sweep.studies.study import checked_spec

sys.path.append(str(Path(__file__).parent))  # worker processes import the pipelines by name

import fake_pipeline  # noqa: E402

ROOT = Path(__file__).parents[2]
SPEC = {
    "purpose": "How far the distance depends on epsilon.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True}},
    "sampler": {"name": "random"},
    "sizes": {"digits": {"preset": "digits", "budget": {"trials": 6, "hours": 1.0, "confirm": 0}}},
}
HOST = socket.gethostname()
SOURCE = {"commit": "c" * 40, "dirty": False}


def _spec(**changes: Any) -> dict[str, Any]:
    return {**SPEC, **changes}


def _plan(spec: Mapping[str, Any] = SPEC, **params: Any) -> Plan:
    now = read_yaml(ROOT / "params.yaml")
    now["sampler"] |= params
    return made_plan(
        "epsilon", checked_spec(spec, "studies/epsilon.yaml"), "digits", "network", now
    )


@pytest.fixture
def new_sweep(tmp_path):
    """Makes a sweep of a behaviour of the pipeline and a plan."""

    def make(behave: Callable[..., float], plan: Plan | None = None, **limits: Any) -> Sweep:
        plan = plan or _plan()
        params = SweepParams(
            storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=2, max_retry=2
        )
        return Sweep(
            plan=plan,
            pipeline=fake_pipeline.FakePipeline(tmp_path / "journal", behave),
            store=Store(params, tmp_path),
            limits=Limits(plan.budget.trials, time.time() + 60)._replace(**limits),
            track=None,
        )

    return make


def _with_trials(sweep: Sweep, trials: int) -> Sweep:
    return replace(sweep, limits=sweep.limits._replace(trials=trials))


def _run(sweep: Sweep, workers: int = 1, **options: Any) -> list[str]:
    """Runs the study as `run` does; returns the lines that the driver prints."""
    with redirect_stdout(io.StringIO()) as printed:
        run_study(sweep, fake_pipeline.launcher(sweep), workers, SOURCE, **options)
    return printed.getvalue().splitlines()


def _run_here(sweep: Sweep) -> None:
    """One worker in this process, which saves the seconds in which another one starts."""
    open_study(sweep, SOURCE)
    take_trials(sweep, Stop())


def _storage(sweep: Sweep) -> Any:
    return open_storage(sweep.store.params, sweep.store.root)


def _study(sweep: Sweep) -> Any:
    return load_study(_storage(sweep), sweep.plan.name)


def _begun(sweep: Sweep) -> list[dict[str, Any]]:
    """What the pipeline noted as each trial began."""
    return fake_pipeline.started(sweep.store.root / "journal")


def test_advised_first_present_second_and_exactly_the_trials_of_the_budget(new_sweep):
    sweep = new_sweep(fake_pipeline.quick)
    _run(sweep, workers=2)
    trials = _study(sweep).trials
    assert len(trials) == len(_begun(sweep)) == 6
    assert [t.user_attrs["origin"] for t in trials[:3]] == ["advised", "present", "sampler"]
    assert trials[1].params["sampler.epsilon"] == 1e-4
    assert all(t.state == TrialState.COMPLETE for t in trials)
    assert trials[0].user_attrs["stages"] == {"train": "cached", "sample": "ran"}
    assert {t.user_attrs["worker"] for t in trials} <= {f"{HOST}/0", f"{HOST}/1"}


def test_a_study_goes_on_and_a_used_budget_runs_nothing(new_sweep):
    sweep = new_sweep(fake_pipeline.quick, trials=2)
    _run_here(sweep)
    _run_here(_with_trials(sweep, 4))
    said = _run(_with_trials(sweep, 4), workers=2)
    trials = _study(sweep).trials
    assert len(trials) == 4 and "4 of 4 trials ended before; 2 workers" in "\n".join(said)
    assert len({t.params["sampler.epsilon"] for t in trials}) == 4


def test_two_workers_share_a_grid_without_doing_a_point_twice(new_sweep):
    space = {"sampler.epsilon": {**SPEC["space"]["sampler.epsilon"], "points": 7}}
    sweep = new_sweep(
        fake_pipeline.slow, _plan(_spec(space=space, sampler={"name": "grid"})), trials=50
    )
    _run(sweep, workers=2)
    points = [t.params["sampler.epsilon"] for t in _study(sweep).trials]
    assert len(points) == len(set(points)) == 8  # the advised point beside the grid's seven
    assert {1e-6, 1e-3} <= set(points)
    assert {t.user_attrs["worker"] for t in _study(sweep).trials} == {f"{HOST}/0", f"{HOST}/1"}


def test_draws_are_repetitions_whose_mean_is_the_objective(new_sweep):
    sweep = new_sweep(fake_pipeline.quick, _plan(_spec(draws=3)), trials=1)
    _run_here(sweep)
    trial = _study(sweep).trials[0]
    by_seed = trial.user_attrs["by_seed"]["eval/fid"]
    assert trial.user_attrs["seeds"] == [1234, 1235, 1236]
    assert len(set(by_seed)) == 3 and trial.value == pytest.approx(sum(by_seed) / 3)


def test_a_killed_workers_trial_is_tried_again_with_the_same_values(new_sweep):
    sweep = new_sweep(fake_pipeline.hangs_until_told, trials=2)

    def kill() -> None:
        while not _begun(sweep):
            time.sleep(0.02)
        os.kill(_begun(sweep)[0]["pid"], signal.SIGKILL)
        (sweep.store.root / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    said = _run(sweep)
    killer.join()
    now = tally(_study(sweep).trials)
    assert len(now.ended) == 2 and len(now.replaced) == 1
    assert any("started again" in line for line in said)
    first, *others = _begun(sweep)
    assert first["values"] in [entry["values"] for entry in others]
    assert any("tried again: trial 0" in line for line in said)


def test_ctrl_c_puts_the_point_back_and_run_goes_on_with_it(new_sweep):
    sweep = new_sweep(fake_pipeline.hangs_until_told, trials=2)

    def interrupt() -> None:
        while not _begun(sweep):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        _run(sweep)
    thread.join()
    now = tally(_study(sweep).trials)
    assert [t.user_attrs["reason"] for t in now.replaced] == ["interrupted, to be tried again"]
    assert len(now.retries) == 1 and not now.running
    (sweep.store.root / "go").touch()
    _run(sweep)
    now = tally(_study(sweep).trials)
    assert len(now.ended) == 2 and all(t.state == TrialState.COMPLETE for t in now.ended)
    assert now.ended[-1].params == now.replaced[0].params
    assert now.ended[-1].user_attrs["reason"] is None
    assert now.ended[-1].user_attrs["origin"] == "advised"


def test_divergence_prunes_and_accidents_fail_but_the_study_goes_on(new_sweep):
    space = {"sampler.epsilon": {**SPEC["space"]["sampler.epsilon"], "points": 4}}
    sweep = new_sweep(
        fake_pipeline.diverges_sometimes, _plan(_spec(space=space, sampler={"name": "grid"}))
    )
    _run_here(sweep)
    study = _study(sweep)
    by_epsilon = {t.params["sampler.epsilon"]: t for t in study.trials}
    large, small = by_epsilon[1e-3], by_epsilon[1e-6]
    assert large.state == TrialState.PRUNED and small.state == TrialState.FAIL
    assert large.user_attrs["reason"] == "diverged: sample: epsilon is too large"
    assert small.user_attrs["reason"] == "ZeroDivisionError: by accident"
    text = "\n".join(
        status_lines(read_study(_storage(sweep), sweep.plan.name), sweep.limits.trials)
    )
    assert f"failed: trial {small.number}: ZeroDivisionError: by accident" in text
    assert "3 complete, 1 pruned, 1 failed" in text and "best: trial 1: eval/fid 4" in text


def test_the_same_failure_thrice_ends_the_study_with_its_reason(new_sweep):
    sweep = new_sweep(fake_pipeline.fails)
    with pytest.raises(UserError, match="failed alike: sample failed .exit status 1.: no room"):
        _run(sweep)
    assert len(_study(sweep).trials) == 3


def test_a_changed_study_is_refused_by_key_and_set_aside_keeps_the_old_trials(new_sweep, capsys):
    sweep = new_sweep(fake_pipeline.quick, trials=2)
    _run_here(sweep)
    sizes = {"digits": {**SPEC["sizes"]["digits"], "fixed": {"train.num_steps": 70}}}
    changed = replace(sweep, plan=_plan(_spec(sizes=sizes)))
    with pytest.raises(UserError, match=r"fixed.train.num_steps \(value 70\).*--fresh"):
        _run_here(changed)
    capsys.readouterr()
    assert set_aside(_storage(sweep), sweep.plan.name) == "epsilon-digits.1"
    assert set_aside(_storage(sweep), "another") is None
    said = capsys.readouterr().out
    assert said == "the earlier trials are kept as the study 'epsilon-digits.1'\n"
    _run_here(changed)
    assert _study(changed).trials[0].user_attrs["values"]["train.num_steps"] == 70
    old = load_study(_storage(sweep), "epsilon-digits.1")
    assert len(old.trials) == 2 and old.trials[0].user_attrs["origin"] == "advised"


def test_a_study_at_work_does_not_start_anew_until_its_worker_is_dead(new_sweep):
    sweep = new_sweep(fake_pipeline.quick, trials=2)
    running = open_study(sweep, SOURCE).ask()  # as of a worker that has no heartbeat yet
    with pytest.raises(UserError, match="--fresh: epsilon-digits is at work, 1 of its trials"):
        open_study(sweep, SOURCE, fresh=True)
    assert _study(sweep).trials[running.number].state.name == "RUNNING"
    time.sleep(sweep.store.params.grace_sec + 0.1)
    open_study(sweep, SOURCE, fresh=True)
    assert not any(trial.state.is_finished() for trial in _study(sweep).trials)
    assert load_study(_storage(sweep), "epsilon-digits.1").trials[0].state.name == "FAIL"


def test_purpose_sampler_and_budget_may_change(new_sweep):
    sweep = new_sweep(fake_pipeline.quick, trials=2)
    _run_here(sweep)
    again = _plan(_spec(purpose="Another sentence.", sampler={"name": "qmc"}))
    _run_here(_with_trials(replace(sweep, plan=again), 3))
    assert len(_study(sweep).trials) == 3


def test_the_hours_of_the_budget_end_the_study_cleanly(new_sweep):
    sweep = new_sweep(fake_pipeline.quick, deadline=time.time() - 1)
    _run_here(sweep)
    assert not tally(_study(sweep).trials).ended


def test_over_the_budget_is_infeasible_and_far_over_is_not_run(new_sweep):
    sizes = {
        "digits": {
            "preset": "digits",
            "budget": {"trials": 9, "hours": 1.0, "network_evaluations_per_image": 100},
        }
    }
    space = {"sampler.steps_per_level": {"type": "int", "low": 5, "high": 25, "points": 3}}
    spec = _spec(space=space, scientific=list(space), sizes=sizes, sampler={"name": "grid"})
    sweep = new_sweep(fake_pipeline.cheaper_is_worse, _plan(spec))
    _run_here(sweep)
    study = _study(sweep)
    by_steps = {t.params["sampler.steps_per_level"]: t for t in study.trials}
    assert by_steps[10].constraints == {"network_evaluations_per_image": 0}
    assert by_steps[15].state == TrialState.COMPLETE and by_steps[15].value < by_steps[10].value
    assert by_steps[25].state == TrialState.PRUNED
    assert "250 network evaluations" in by_steps[25].user_attrs["reason"]
    assert study.best_trials[0].params["sampler.steps_per_level"] == 10


def test_a_broken_rule_of_params_prunes_before_any_work(new_sweep):
    space = {"noise.sigma_max": {"type": "float", "low": 0.005, "high": 1.0, "points": 2}}
    spec = _spec(space=space, scientific=list(space), sampler={"name": "grid"})
    sweep = new_sweep(fake_pipeline.quick, _plan(spec))
    _run_here(sweep)
    pruned = [t for t in _study(sweep).trials if t.state == TrialState.PRUNED]
    assert [t.params["noise.sigma_max"] for t in pruned] == [0.005]
    assert "must be larger than noise.sigma_min" in pruned[0].user_attrs["reason"]
    assert len(_begun(sweep)) == len(_study(sweep).trials) - 1


def test_a_pruner_sees_the_rows_of_training(new_sweep):
    pruner = {"name": "median", "metric": "val/loss", "startup_trials": 1}
    space = {"sampler.epsilon": {**SPEC["space"]["sampler.epsilon"], "points": 4}}
    plan = _plan(_spec(space=space, sampler={"name": "grid"}, pruner=pruner))
    sweep = new_sweep(fake_pipeline.quick, plan)
    _run_here(sweep)
    pruned = [t for t in _study(sweep).trials if t.state == TrialState.PRUNED]
    assert pruned and all(t.params["sampler.epsilon"] > 3e-5 for t in pruned)
    assert "median pruner at step 10: val/loss" in pruned[0].user_attrs["reason"]


def test_points_of_another_study_come_after_the_first_ones(new_sweep):
    first = new_sweep(fake_pipeline.quick, trials=4)
    _run_here(first)
    plan = made_plan(
        "other",
        checked_spec(_spec(same_points="epsilon"), "studies/other.yaml"),
        "digits",
        "network",
        first.plan.params,
    )
    _run_here(replace(first, plan=plan))
    points = [t.params for t in _study(first).trials]
    assert [t.params for t in _study(replace(first, plan=plan)).trials[:4]] == points


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_dead_drivers_trial_is_tried_again_by_the_next_run(new_sweep):
    sweep = new_sweep(fake_pipeline.hangs_until_told, trials=2)
    (sweep.store.root / "go").touch()
    _run_here(_with_trials(sweep, 1))
    study = _study(sweep)
    study.ask()  # began, then died with the machine: no heartbeat was ever written
    time.sleep(2.1)
    _run_here(sweep)
    now = tally(_study(sweep).trials)
    assert len(now.ended) == 2 and len(now.replaced) == 1


def test_workers_die_with_a_killed_driver(new_sweep):
    sweep = new_sweep(fake_pipeline.hangs_until_told)
    driver = multiprocessing.get_context("spawn").Process(
        target=fake_pipeline.drive, args=(sweep,)
    )
    driver.start()
    while not _begun(sweep):
        time.sleep(0.05)
    driver.kill()
    driver.join()
    worker = Path("/proc") / str(_begun(sweep)[0]["pid"]) / "stat"
    for _ in range(100):
        if not _lives(worker):
            return
        time.sleep(0.05)
    raise AssertionError("the worker lives on")


def _lives(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
