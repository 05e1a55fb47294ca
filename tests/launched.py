"""What the tests of all launchers have: a study of a fake pipeline, and what came of it."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.study import Tally, load_study, tally
from ncsn.sweep.search.worker import Limits, Store, Sweep
from ncsn.sweep.studies.plan import made_plan
from ncsn.sweep.studies.study import checked_spec

sys.path.append(str(Path(__file__).parent / "sweep"))  # workers import it by this name

import fake_pipeline  # noqa: E402

PROJECT = Path(__file__).parents[1]
TRIALS = 8
SPEC = {
    "purpose": "How far the distance depends on epsilon.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True}},
    "sampler": {"name": "random"},
    "sizes": {
        "digits": {"preset": "digits", "budget": {"trials": TRIALS, "hours": 1, "confirm": 0}}
    },
}


def made_sweep(root: Path, behave: Callable[..., float]) -> Sweep:
    """A study in SQLite below `root`, or where the environment says, without MLflow."""
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text((PROJECT / name).read_text())
    spec = checked_spec(SPEC, "studies/epsilon.yaml")
    storage = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=3, max_retry=2)
    return Sweep(
        plan=made_plan("epsilon", spec, "digits", "network", read_yaml(root / "params.yaml")),
        pipeline=fake_pipeline.FakePipeline(root / "journal", behave),
        store=Store(storage, root),
        limits=Limits(TRIALS, time.time() + 600),
        track=None,
    )


def run(sweep: Sweep, launcher: Any, workers: int) -> None:
    """Opens the study and launches workers, as the command does."""
    command = fake_pipeline.command(sweep)
    source = {"commit": "c" * 40, "dirty": False}
    run_study(sweep, lambda number: launcher.run(command, number), workers, source)


def begun(sweep: Sweep) -> list[dict[str, Any]]:
    """What the pipeline noted as each trial began."""
    return fake_pipeline.started(sweep.store.root / "journal")


def await_begun(sweep: Sweep, number: int, seconds: float = 200) -> list[dict[str, Any]]:
    """Waits until so many trials have begun."""
    deadline = time.monotonic() + seconds
    while len(begun(sweep)) < number:
        assert time.monotonic() < deadline, f"{len(begun(sweep))} trials have begun"
        time.sleep(0.05)
    return begun(sweep)


@contextmanager
def meanwhile(sweep: Sweep, action: Callable[[], object]) -> Iterator[None]:
    """Does something while the block runs; if that fails, nothing waits any longer."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)
            let_go(sweep)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    for error in errors:
        raise error


def let_go(sweep: Sweep) -> None:
    """Ends the waiting of `hangs_until_told`."""
    (sweep.store.root / "go").touch()


def of_study(sweep: Sweep) -> Tally:
    """The study's trials."""
    storage = open_storage(sweep.store.params, sweep.store.root)
    return tally(load_study(storage, sweep.plan.name).trials)


def assert_whole(sweep: Sweep) -> Tally:
    """The budget is used exactly, every trial of it is complete, and no point came twice."""
    now = of_study(sweep)
    assert [trial.state for trial in now.ended] == [TrialState.COMPLETE] * TRIALS
    assert len({trial.params["sampler.epsilon"] for trial in now.ended}) == TRIALS
    assert not now.running and not now.retries
    return now


def is_gone(pid: int) -> bool:
    """Whether a process of this host has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
