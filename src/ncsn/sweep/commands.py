"""What the subcommands of pipeline/sweep.py do."""

import signal
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage

from ncsn.base.errors import UserError
from ncsn.config.params import PARAMS_FILE, ProjectParams, load_params
from ncsn.sweep.results.findings import best_trials
from ncsn.sweep.results.read import StudyData, Tried, read_study
from ncsn.sweep.results.status import counts, status_lines
from ncsn.sweep.search.database import storage_faults
from ncsn.sweep.search.storage import load_study, open_storage, storage_url, tally
from ncsn.sweep.studies.plan import Plan, load_plan
from ncsn.sweep.studies.study import load_spec, study_names

ROOT = Path(".")
REPORTS = Path("reports/sweeps")


def told_of_storage(command: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
    """Returns the command, with a fault of the studies' database told in one line."""

    def told(args: Namespace) -> None:
        with storage_faults(storage_url(_params().sweep)):
            command(args)

    return told


def run(args: Namespace) -> None:
    """Runs a study or goes on with it."""
    from ncsn.sweep.search.driver import run_study
    from ncsn.sweep.search.laboratory import Project
    from ncsn.sweep.search.worker import Orders
    from ncsn.sweep.trials.workspace import checked_source

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job scheduler's Ctrl-C
    root, params, plan = ROOT.resolve(), _params(), _plan(args)
    checked_source(root, allow_dirty=args.allow_dirty)
    locks = root / params.paths.work / "sweep"
    locks.mkdir(parents=True, exist_ok=True)
    orders = Orders(
        plan=plan,
        sweep=params.sweep,
        track=None if args.no_tracking else params.track,
        root=root,
        laboratory=Project(root, args.allow_dirty),
        lock=locks / f"{plan.name}.lock",
        trials=args.trials or plan.budget.trials,
        deadline=time.time() + plan.budget.hours * 3600,
    )
    run_study(orders, args.workers, _source(args.allow_dirty), _say, fresh=args.fresh)
    print(f"report: python pipeline/sweep.py report {_words(args)}")


def status(args: Namespace) -> None:
    """Prints what a study has reached."""
    plan = _plan(args)
    study = load_study(_storage(), plan.name)
    print("\n".join(status_lines(study, args.trials or plan.budget.trials)))


def list_studies(args: Namespace) -> None:
    """Prints the study files, and what of them has been run."""
    for name in study_names():
        spec = load_spec(name)
        print(f"{name} ({', '.join(spec.sizes)}): {spec.purpose}")
    storage = _storage()
    for name in optuna.get_all_study_names(storage):
        ended = tally(load_study(storage, name).get_trials(deepcopy=False)).ended
        print(f"run: {name}: {counts(ended)}")


def apply(args: Namespace) -> None:
    """Writes the values of a trial into params.yaml."""
    from ncsn.sweep.results.winners import apply_trial

    data = read_study(_storage(), _plan(args).name)
    tried = _top(data, 1)[0] if args.trial is None else _numbered(data, args.trial)
    lines = apply_trial(tried.record.values, PARAMS_FILE)
    number = tried.record.number
    print("\n".join(lines) or f"params.yaml already has the values of trial {number}")


def save(args: Namespace) -> None:
    """Makes the best trials experiments of DVC."""
    from ncsn.sweep.results.winners import save_experiments
    from ncsn.sweep.trials.workspace import checked_source

    checked_source(ROOT.resolve(), allow_dirty=args.allow_dirty)
    name = _plan(args).name
    best = _top(read_study(_storage(), name), args.top)
    rows = {f"{name}-{tried.record.number}": tried.record.values for tried in best}
    saved = save_experiments(ROOT.resolve(), rows, allow_dirty=args.allow_dirty)
    print("\n".join([*saved, "`dvc exp show` lists them"]))


def confirm(args: Namespace) -> None:
    """Draws the best trials again with fresh seeds; prints mean and spread."""
    from ncsn.sweep.results.confirmed import confirm_trials
    from ncsn.sweep.trials.workspace import checked_source

    plan, root = _plan(args), ROOT.resolve()
    checked_source(root, allow_dirty=args.allow_dirty)
    data = read_study(_storage(), plan.name)
    lines = confirm_trials(
        data.study,
        _top(data, args.top),
        plan,
        root,
        args.seeds,
        args.num_samples,
        allow_dirty=args.allow_dirty,
    )
    for line in lines:
        print(line, flush=True)


def report(args: Namespace) -> None:
    """Writes the report of a study."""
    from ncsn.report.sweep.write import write_study_report
    from ncsn.sweep.results.export import export_study

    plan, storage = _plan(args), _storage()
    known = optuna.get_all_study_names(storage)
    for name in [plan.name, *(name for name in _related(plan) if name in known)]:
        export_study(storage, name, REPORTS / name)
    print(write_study_report(REPORTS / plan.name))


def _related(plan: Plan) -> list[str]:
    """Full names of the studies that a report shows beside this one."""
    others = [f"{plan.study}_amortised", *filter(None, [plan.spec.same_points])]
    beside = [plan.name.replace(plan.study, other, 1) for other in others]
    return beside if plan.model == "oracle" else [f"{plan.name}-oracle", *beside]


def _params() -> ProjectParams:
    return load_params("paths", "sweep", "track")


def _plan(args: Namespace) -> Plan:
    return load_plan(args.study, args.size, args.model)


def _storage() -> RDBStorage:
    return open_storage(_params().sweep, ROOT.resolve())


def _top(data: StudyData, count: int) -> list[Tried]:
    """The best trials as reports rank them, equal points once."""
    different: list[Tried] = []
    for tried in best_trials(data):
        if all(tried.point != other.point for other in different):
            different.append(tried)
    if not different:
        raise UserError(f"{data.name}: no trial is complete within the budget")
    return different[:count]


def _numbered(data: StudyData, number: int) -> Tried:
    complete = [tried for tried in data.tried if tried.values is not None]
    for tried in complete:
        if tried.record.number == number:
            return tried
    known = ", ".join(str(tried.record.number) for tried in complete) or "none"
    raise UserError(f"--trial (value {number}): must be a complete trial; there are {known}")


def _source(dirty: bool) -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    return {"commit": commit.stdout.strip(), "dirty": dirty}


def _words(args: Namespace) -> str:
    words: Sequence[str] = [args.study, "--size", args.size]
    return " ".join([*words, *(["--model", "oracle"] if args.model == "oracle" else [])])


def _say(line: str) -> None:
    print(line, flush=True)
