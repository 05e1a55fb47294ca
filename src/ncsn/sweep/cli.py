"""The subcommands of pipeline/sweep.py: their arguments, and what each does."""

import argparse
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncsn.base.dotted import flattened
from ncsn.base.trial_record import TrialRecord
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE, ProjectParams, load_params
from ncsn.config.preset import write_values
from ncsn.sweep import arguments as types
from ncsn.sweep.results.chosen import best_of, numbered
from ncsn.sweep.results.exported import refuse_partial
from ncsn.sweep.results.status import counts, status_lines
from ncsn.sweep.search.address import storage_faults, storage_url
from ncsn.sweep.search.database import Storage, open_storage
from ncsn.sweep.search.membership import noted_limits
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.study import study_names
from ncsn.sweep.studies import study as files
from ncsn.sweep.studies.plan import Plan, load_plan
from ncsn.sweep.studies.space import keys_of

ROOT = Path(".")


def run_command_line() -> None:
    """Does what the command line says; a fault of the studies' database is told in one line."""
    args = _parser().parse_args()
    with storage_faults(storage_url(_params().sweep)):
        args.command(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Studies over params.yaml.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = _subparser(commands, "run", _running("run"), "run a study, or go on with it")
    types.add_launching(run)
    _add_opening(run)
    ready = "make a study ready for workers that something else starts"
    _add_opening(_subparser(commands, "open", _running("open_only"), ready))
    join = "work on an open study until its budget is used; on any host of its database"
    worker = _subparser(commands, "worker", _running("worker"), join)
    url = "a git repository with the study's commit, to be run in place of this tree"
    worker.add_argument("--source", metavar="URL", help=url)
    _add_tree_and_tracking(worker)
    status = _subparser(commands, "status", _status, "progress, best, failures, time left")
    status.add_argument("--trials", type=types.count, metavar="N", help="as given to run")
    _subparser(commands, "sync", _sync, "bring MLflow what it lacks of a study, after an outage")
    _subparser(commands, "list", _list, "study files and what has been run")
    apply = _subparser(commands, "apply", _apply, "write a trial's values into params.yaml")
    chosen = apply.add_mutually_exclusive_group()
    chosen.add_argument("--trial", type=int, metavar="N")
    chosen.add_argument("--best", action="store_true", help="the default")
    every = "all values of the trial, not those of the study's axes alone"
    apply.add_argument("--all", action="store_true", help=every)
    save = _subparser(commands, "save", _save, "make the best trials experiments of DVC")
    save.add_argument("--top", type=types.count, default=3, metavar="K")
    save.add_argument("--allow-dirty", action="store_true", help="save the working tree")
    confirm = _subparser(commands, "confirm", _confirm, "draw the best again with fresh seeds")
    confirm.add_argument("--top", type=types.count, default=3, metavar="K")
    per_point = "fresh draws of each point, or of each training; default 3"
    confirm.add_argument("--draws", type=types.draws, default=3, metavar="N", help=per_point)
    fresh = "fresh trainings of each; default budget.confirm_trainings; 1 keeps the network"
    confirm.add_argument("--trainings", type=types.trainings, metavar="K", help=fresh)
    confirm.add_argument("--allow-dirty", action="store_true", help="run the working tree")
    _subparser(commands, "push", _running("push"), "send results to DVC's default remote")
    report = _subparser(commands, "report", _report, "write reports/sweeps/<study>/")
    report.add_argument("--force", action="store_true", help="also over one of more trials")
    bring = _subparser(commands, "import", _import, "bring exported studies into the database")
    bring.add_argument("--no-tracking", action="store_true", help="leave MLflow alone")
    return parser


def _add_opening(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trials", type=types.count, metavar="N", help="in place of budget.trials"
    )
    parser.add_argument("--fresh", action="store_true", help="keep old trials under another name")
    value_help = "a value of params.yaml in place of the study's, such as a path of yours"
    parser.add_argument(
        "--set",
        action="append",
        type=types.setting,
        default=[],
        metavar="KEY=VALUE",
        help=value_help,
    )
    _add_tree_and_tracking(parser)


def _add_tree_and_tracking(parser: argparse.ArgumentParser) -> None:
    dirty = "run the working tree as it is"
    parser.add_argument("--allow-dirty", action="store_true", help=dirty)
    parser.add_argument("--no-tracking", action="store_true", help="leave MLflow alone")


def _subparser(
    commands: Any, name: str, command: Callable[[Namespace], None], text: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    made.set_defaults(command=command)
    if name == "import":
        folder = "of reports/sweeps/, or its path; none means all"
        made.add_argument("folders", metavar="FOLDER", nargs="*", help=folder)
    elif name != "list":
        made.add_argument("study", metavar="STUDY", help="a file in studies/")
        made.add_argument("--size", default="digits", help="of the study; default digits")
        made.add_argument("--model", choices=["network", "oracle"], default="network")
    return made


def _running(name: str) -> Callable[[Namespace], None]:
    """A command of `running`, imported when it is called: it needs Optuna's samplers and git."""

    def command(args: Namespace) -> None:
        from ncsn.sweep import running

        getattr(running, name)(args, ROOT.resolve())

    return command


def _status(args: Namespace) -> None:
    """Prints what a study has reached."""
    plan = _plan(args)
    _print_status(_storage(), plan, args.trials)


def _print_status(storage: Storage, plan: Plan, trials: int | None = None) -> None:
    """Against `trials`, else what the study was opened for, else what its file says."""
    data = read_study(storage, plan.name)
    noted = noted_limits(data.attrs)
    most = trials or (noted.trials if noted else plan.budget.trials)
    print("\n".join(status_lines(data, most)))


def _sync(args: Namespace) -> None:
    """Publishes the trials that MLflow lacks or has as running."""
    from ncsn.sweep.search.tracked import sync

    name = _plan(args).name
    count = sync(_params().track, _storage(), name, ROOT.resolve())
    print(f"{name}: {count} trials new in MLflow")


def _list(args: Namespace) -> None:
    """Prints the study files, and what of them has been run."""
    for name in files.study_names():
        spec = files.load_spec(name)
        print(f"{name} ({', '.join(spec.sizes)}): {spec.purpose}")
    storage = _storage()
    for name in study_names(storage):
        print(f"run: {name}: {counts(read_study(storage, name).ended())}")


def _apply(args: Namespace) -> None:
    """Writes what a trial had on the study's axes into params.yaml; with --all, all its values.

    With these `dvc repro evaluate` takes every stage from the cache that the trial filled, as long
    as the sources are the trial's.
    """
    plan = _plan(args)
    data = read_study(_storage(), plan.name)
    trial = best_of(data, 1)[0] if args.trial is None else numbered(data, args.trial)
    axes = {key for name, axis in plan.space.items() for key in keys_of(name, axis)}
    values = {key: trial.values[key] for key in trial.values if args.all or key in axes}
    lines = write_values(values, PARAMS_FILE)
    print("\n".join(lines) or f"params.yaml already has the values of trial {trial.number}")
    if left := _other_values(trial):
        print(f"the trial had other values of {', '.join(left)} too; --all writes them")


def _other_values(trial: TrialRecord) -> list[str]:
    """Keys whose values in params.yaml are not those of a trial."""
    present = flattened(read_yaml(PARAMS_FILE))
    return [key for key, value in trial.values.items() if present.get(key) != value]


def _save(args: Namespace) -> None:
    """Makes the best trials experiments of DVC."""
    from ncsn.sweep.results.winners import save_experiments
    from ncsn.sweep.trials.workspace import checked_source

    plan = _plan(args)
    checked_source(ROOT.resolve(), allow_dirty=args.allow_dirty, set_by_trials=plan.keys())
    name = plan.name
    best = best_of(read_study(_storage(), name), args.top)
    refuse_partial(best, name)
    rows = {f"{name}-{trial.number}": trial.values for trial in best}
    saved = save_experiments(ROOT.resolve(), rows, allow_dirty=args.allow_dirty)
    print("\n".join([*saved, "`dvc exp show` lists them"]))


def _confirm(args: Namespace) -> None:
    """Draws the best trials again with fresh seeds; prints mean and spread, and notes them."""
    from ncsn.sweep.running import project_pipeline
    from ncsn.sweep.search.confirm import confirm_best
    from ncsn.sweep.search.driver import confirm_lock
    from ncsn.sweep.search.worker import Store
    from ncsn.sweep.trials.workspace import checked_source

    plan, root, storage = _plan(args), ROOT.resolve(), _storage()
    checked_source(root, allow_dirty=args.allow_dirty, set_by_trials=plan.keys())
    refuse_partial(best_of(read_study(storage, plan.name), args.top), plan.name)
    store = Store(_params().sweep, root)
    pipeline = project_pipeline(root, store, allow_dirty=args.allow_dirty)
    with store.coordinator().lock(confirm_lock(plan.name)):
        confirm_best(storage, plan, pipeline, args.top, args.draws, args.trainings)
    _print_status(storage, plan)


def _report(args: Namespace) -> None:
    """Writes the report of a study."""
    from ncsn.sweep.published import report_study
    from ncsn.sweep.search.tracked import publish_page

    plan = _plan(args)
    page = report_study(_storage(), plan, ROOT, force=args.force)
    print(page)
    if link := publish_page(_params().track, plan.name, page, ROOT.resolve()):
        print(f"in MLflow: {link}")


def _import(args: Namespace) -> None:
    """Brings exported studies into the database and into MLflow."""
    from ncsn.sweep.published import import_studies

    import_studies(args.folders, _params(), ROOT.resolve(), track=not args.no_tracking)


def _params() -> ProjectParams:
    return load_params("paths", "sweep", "track")


def _plan(args: Namespace) -> Plan:
    return load_plan(args.study, args.size, args.model)


def _storage() -> Storage:
    return open_storage(_params().sweep, ROOT.resolve())
