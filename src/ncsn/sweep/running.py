"""The subcommands `run`, `open`, `worker` and `push` of pipeline/sweep.py.

`run` opens a study, launches workers and says what came of it; `open` and `worker` are its parts,
for workers that something else starts.
"""

import signal
import sys
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from ncsn.base.addresses import STORAGE
from ncsn.base.progress import notice
from ncsn.config.params import load_params
from ncsn.sweep.launch.launcher import Room, open_launcher
from ncsn.sweep.search.address import is_postgres, storage_url
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.membership import Limits, noted_limits
from ncsn.sweep.search.opening import noted_plan, noted_study, open_study, refuse_other_commit
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.tracked import TrackedStudy
from ncsn.sweep.search.worker import Store, Sweep, work
from ncsn.sweep.studies.plan import Plan, load_plan, study_words
from ncsn.sweep.trials.checkout import checked_out
from ncsn.sweep.trials.git import head
from ncsn.sweep.trials.pipeline import ProjectPipeline
from ncsn.sweep.trials.sending import push_results
from ncsn.sweep.trials.workspace import checked_source

SCRIPT = "pipeline/sweep.py"


def run(args: Namespace, root: Path) -> None:
    """Runs a study or goes on with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job scheduler's Ctrl-C
    sweep, source = _opened(args, root)
    room = Room(args.cpus_per_worker, args.gpus_per_worker, dict(args.slurm))
    launcher = open_launcher(args.launcher, root, sweep.store.params.max_retry, room)
    if args.launcher != "local" and storage_url(sweep.store.params).startswith("sqlite"):
        notice(f"SQLite serves workers of one host; for others set {STORAGE} to postgresql://...")
    launch = partial(launcher.run, [sys.executable, *worker_command(args)])
    run_study(sweep, launch, args.workers, source, fresh=args.fresh)
    print(f"report: python {SCRIPT} report {_words(args)}")


def open_only(args: Namespace, root: Path) -> None:
    """Makes a study ready for workers, and says how to start them."""
    sweep, source = _opened(args, root)
    study = open_study(sweep, source, fresh=args.fresh)
    TrackedStudy.opened(sweep.track, sweep.plan, sweep.store).note(study)
    limits = noted_limits(study.user_attrs) or sweep.limits
    print(f"{sweep.plan.name}: open for {limits.trials} trials, {sweep.plan.budget.hours:g} hours")
    print(f"workers: python {' '.join(worker_command(args))}")
    print(f"then: python {SCRIPT} confirm {_words(args)}")


def worker(args: Namespace, root: Path) -> None:
    """Joins a study and works until its budget is used."""
    params = load_params("paths", "sweep", "track", path=root / "params.yaml")
    store = Store(params.sweep, root)
    study = noted_study(store.opened(), args.study, args.size, args.model)
    if args.source is None:
        main = root
        refuse_other_commit(study, head(root), allow_dirty=args.allow_dirty)
    else:
        main = checked_out(root, args.source, study.user_attrs["commit"])
    plan = noted_plan(study, main)
    if args.source is None:
        checked_source(root, allow_dirty=args.allow_dirty, set_by_trials=plan.keys())
    work(
        Sweep(
            plan=plan,
            pipeline=project_pipeline(main, store, allow_dirty=args.allow_dirty),
            store=store,
            limits=_limits(args, plan),
            track=None if args.no_tracking else params.track,
        )
    )


def push(args: Namespace, root: Path) -> None:
    """Sends the results of a study's trials to DVC's default remote."""
    store = Store(load_params("sweep", path=root / "params.yaml").sweep, root)
    plan = load_plan(args.study, args.size, args.model)
    trials = read_study(store.opened(), plan.name).trials
    sent = push_results(root, [trial.values for trial in trials if trial.values])
    print(f"'{sent.remote}' has {sent.found} results of {plan.name}, {sent.sent} of them new")


def project_pipeline(main: Path, store: Store, *, allow_dirty: bool) -> ProjectPipeline:
    """Returns that of a project; hosts that share a database share results, too.

    SQLite serves one host, whose workers have a cache in common, so that nothing is sent.
    """
    if not is_postgres(storage_url(store.params)):
        return ProjectPipeline(main, allow_dirty)
    return ProjectPipeline(main, allow_dirty, store.coordinator().lock, share=store.root)


def worker_command(args: Namespace) -> list[str]:
    """Returns the words behind `python` that start a worker of the study that `args` opens."""
    flags = {"--allow-dirty": args.allow_dirty, "--no-tracking": args.no_tracking}
    given = [flag for flag, is_given in flags.items() if is_given]
    source = ["--source", args.source] if getattr(args, "source", None) else []
    return [SCRIPT, "worker", *_words(args).split(), *given, *source]


def _opened(args: Namespace, root: Path) -> tuple[Sweep, dict[str, Any]]:
    """The study that the arguments name, and the source that its trials run."""
    params = load_params("paths", "sweep", "track", path=root / "params.yaml")
    plan = load_plan(args.study, args.size, args.model, settings=dict(args.set))
    checked_source(root, allow_dirty=args.allow_dirty, set_by_trials=plan.keys())
    store = Store(params.sweep, root)
    sweep = Sweep(
        plan=plan,
        pipeline=project_pipeline(root, store, allow_dirty=args.allow_dirty),
        store=store,
        limits=_limits(args, plan),
        track=None if args.no_tracking else params.track,
    )
    return sweep, {"commit": head(root), "dirty": args.allow_dirty}


def _limits(args: Namespace, plan: Plan) -> Limits:
    trials = getattr(args, "trials", None) or plan.budget.trials
    return Limits(trials, time.time() + plan.budget.hours * 3600)


def _words(args: Namespace) -> str:
    return study_words(args.study, args.size, args.model)
