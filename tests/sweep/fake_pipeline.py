"""Pipelines without DVC, importable by worker processes."""

import json
import os
import pickle
import random
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ncsn.base.errors import Diverged
from ncsn.sweep.trials.outcome import Outcome, StageFailed, StageOutcome, Stopped


@dataclass(frozen=True)
class FakePipeline:
    """Reproduces by `behave`, and writes a line to `journal` as each trial starts."""

    journal: Path
    behave: Callable[[Mapping[str, Any], Path], float]

    def opened(self, worker: int) -> Any:
        return partial(self._reproduce, worker)

    def data_facts(self, values: Mapping[str, Any]) -> Any:
        from ncsn.config.advice import DataFacts  # imports torch, which workers can do without

        return DataFacts(dim=64, largest_distance=6.0, num_points=100)

    def _reproduce(self, worker: int, values: Mapping[str, Any], on_row: Any) -> Outcome:
        entry = {"worker": worker, "pid": os.getpid(), "values": dict(values)}
        with open(self.journal, "a") as file:
            file.write(json.dumps(entry) + "\n")
        for step in (10, 20, 30):
            row = {"step": step, "val/loss": values["sampler.epsilon"] / step}
            if on_row is not None and on_row(row):
                raise Stopped(row)
        fid = self.behave(values, self.journal.parent)
        stages = (StageOutcome("train", "cached", 0.01), StageOutcome("sample", "ran", 0.02))
        nowhere = self.journal.parent / "none"
        key = "key" if values.get("train.seed") is None else f"key {values['train.seed']}"
        return Outcome({"eval/fid": fid}, stages, key, 0.03, nowhere, nowhere)


def started(journal: Path) -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    )


def quick(values: Mapping[str, Any], folder: Path) -> float:
    return abs(values["sampler.epsilon"] - 1e-4) * 1e5 + values["sample.seed"] % 10


def slow(values: Mapping[str, Any], folder: Path) -> float:
    time.sleep(0.15)
    return quick(values, folder)


def hangs_until_told(values: Mapping[str, Any], folder: Path) -> float:
    """Waits for the file `go`."""
    while not (folder / "go").exists():
        time.sleep(0.02)
    return quick(values, folder)


def fails(values: Mapping[str, Any], folder: Path) -> float:
    raise StageFailed("sample failed (exit status 1): no room")


def tells_the_address(values: Mapping[str, Any], folder: Path) -> float:
    raise RuntimeError(f"cannot use {os.environ['NCSN_SWEEP_STORAGE']} here")


def diverges_sometimes(values: Mapping[str, Any], folder: Path) -> float:
    if values["sampler.epsilon"] > 5e-4:
        raise Diverged("sample: epsilon is too large")
    if values["sampler.epsilon"] < 2e-6:
        raise ZeroDivisionError("by accident")
    return quick(values, folder)


def cheaper_is_worse(values: Mapping[str, Any], folder: Path) -> float:
    return 100.0 / values["sampler.steps_per_level"]


def command(sweep: Any, *words: str) -> list[str]:
    """A command line of `sweep`: a worker's, or with "run" and a number that of a driver."""
    path = sweep.store.root / "sweep.pickle"
    path.write_bytes(pickle.dumps(sweep))
    return [sys.executable, str(Path(__file__)), str(path), *words]


def launcher(sweep: Any) -> Callable[[int], None]:
    """Starts workers of a sweep as `run` does: processes that need nothing of their starter."""
    from ncsn.sweep.launch.local import LocalLauncher

    max_retry = sweep.store.params.max_retry
    return partial(LocalLauncher(sweep.store.root, max_retry).run, command(sweep))


def drive(sweep: Any, workers: int = 1) -> None:
    """A driver of its own process."""
    from ncsn.sweep.search.driver import run_study

    run_study(sweep, launcher(sweep), workers, {"commit": "c" * 40, "dirty": False})


def flat_and_noisy(values: Mapping[str, Any], folder: Path) -> float:
    """All points are worth 1; each draw has noise of its own."""
    draw = f"{values['sampler.epsilon']} {values['sample.seed']}"
    return 1 + 0.25 * random.Random(draw).gauss(0, 1)


def lucky_in_the_search(values: Mapping[str, Any], folder: Path) -> float:
    """The point 2e-4 is the best at the first seed alone, 1e-4 at all later ones."""
    epsilon, wobble = values["sampler.epsilon"], 0.01 * (values["sample.seed"] % 3)
    if epsilon == 2e-4:
        return (0.5 if values["sample.seed"] == 1234 else 3.0) + wobble
    return (1.0 if epsilon == 1e-4 else 2.0) + wobble


def diverges_when_drawn_again(values: Mapping[str, Any], folder: Path) -> float:
    if values["sampler.epsilon"] == 2e-4 and values["sample.seed"] != 1234:
        raise Diverged("sample: not a number")
    return lucky_in_the_search(values, folder)


def networks_differ(values: Mapping[str, Any], folder: Path) -> float:
    """Each network is off by its own amount, each draw by less."""
    network = 0.5 * random.Random(f"{values['train.seed']}").gauss(0, 1)
    draw = random.Random(f"{values['sampler.epsilon']} {values['sample.seed']}").gauss(0, 1)
    return 3 + network + 0.1 * draw + 1e3 * values["sampler.epsilon"]


def _main() -> None:
    """A worker's process, or a driver's."""
    from ncsn.sweep.search.worker import work

    host = os.environ.get("TEST_HOST")
    if host:
        socket.gethostname = lambda: host
    sweep = pickle.loads(Path(sys.argv[1]).read_bytes())
    if sys.argv[2:]:
        drive(sweep, int(sys.argv[3]))
    else:
        work(sweep)


if __name__ == "__main__":
    from ncsn.base.entry import entry

    sys.modules["fake_pipeline"] = sys.modules["__main__"]  # as the pickle calls it
    entry(_main)
