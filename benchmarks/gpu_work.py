"""The work of `gpu` that has a past: what is done, what it took, how a step is run and ended."""

import contextlib
import datetime
import functools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_places import link_file, make_place, publish_network, share
from gpu_steps import (
    METRICS,
    NETWORK,
    ROOT,
    SAMPLES,
    Settings,
    Step,
    missing,
    places,
    settled,
    step_key,
    steps,
)
from results import machine
from speed import matmul_rate

from ncsn.base.entry import die_with_parent
from ncsn.base.errors import Missing
from ncsn.base.files import read_json, read_jsonl, read_npz, write_json
from ncsn.base.progress import duration
from ncsn.base.records import read_metrics
from ncsn.data.arrays import to_chw
from ncsn.train.log import LOG
from ncsn.train.previews import NUM_COLUMNS, write_grid

GRACE_SEC = 15.0  # for a step that is told to end
STOPPED = 130  # exit status of what ended by Ctrl-C, or by the end of its time
SHARE = {"train": 0.15, "sample": 0.2}  # of a matrix product's rate, until `speed` has measured
SHOWN = 8 * NUM_COLUMNS, 2 * NUM_COLUMNS  # images in the picture of a network, of a variation
_RECORDS = "records.json"


class Work:
    """All steps in one folder, and what is known of them.

    Args:
        settings: of the work.
        folder: takes places, records and results.
        with_checkpoint: whether the results hold the networks too.
    """

    def __init__(self, settings: Settings, folder: Path, with_checkpoint: bool):
        self.settings, self.with_checkpoint = settings, with_checkpoint
        self.top = folder.resolve()
        self.results = self.top / "results"
        self.results.mkdir(parents=True, exist_ok=True)
        self.log = self.results / "gpu.log"
        self.places = {place.name: place for place in places(settings)}
        self._folders: dict[str, Path] = {}
        self._settled: dict[str, list[Any]] = {}
        self.reached: dict[str, int] = {}  # training steps of the network of each place
        self.device = torch.device(settings.device)
        self.records: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(Missing):
            self.records = read_json(self.top / _RECORDS)
        for step in steps(settings):
            if (self.top / str(step.place)).exists():
                self._publish(step)

    def folder(self, step: Step) -> Path:
        """Returns the folder in which a step runs, made or brought up to date by its first use."""
        return ROOT if step.place is None else self._place(step.place)

    def absent(self, step: Step) -> list[str]:
        """Returns the files that a step needs and its place does not have yet."""
        return missing(step, self.folder(step))

    def is_done(self, step: Step) -> bool:
        """Returns whether a step's result is there, and belongs to what decides it now.

        A step that was begun and whose end nobody could note is done where it has left its last
        file since.
        """
        record = self.records.get(step.name, {})
        if not record and not step.trains:
            return False
        folder = self.folder(step)
        files = [folder / name for name in step.leaves]
        if self.absent(step) or not all(file.exists() for file in files):
            return False
        if step.trains:
            return self.reached.get(str(step.place), 0) == self.settings.num_steps
        if record["key"] != self._key(step):
            return False
        if record["state"] == "begun" and files:
            return files[-1].stat().st_mtime >= record["begun"]
        return bool(record["state"] == "done")

    def run(self, step: Step, seconds: float) -> str:
        """Runs a step for at most so long; returns `done`, `unfinished` or `failed`."""
        self._publish(step)
        folder, before = self.folder(step), self.records.get(step.name, {})
        key = self._key(step)
        spent = before.get("seconds", 0.0) if before.get("key") == key else 0.0
        commands = step.commands(self.settings, self.results)
        record: dict[str, Any] = {"key": key, "state": "begun", "begun": time.time()}
        record |= {"seconds": spent, "commands": [" ".join(words) for words in commands]}
        self._note(step, record)
        print(f"{step.name}: at most {duration(seconds)}", flush=True)
        begin, status = time.monotonic(), 0
        for words in commands:
            if status == 0:
                rest = max(0.1, seconds - (time.monotonic() - begin))
                status = run_command(words, folder, self.log, rest)
        record["seconds"] = round(spent + time.monotonic() - begin, 1)
        record["state"] = {0: "done", STOPPED: "unfinished"}.get(status, "failed")
        self._note(step, record)
        self._publish(step)
        reached = f" at training step {self.reached[str(step.place)]:,}" if step.trains else ""
        print(f"{step.name}: {record['state']}{reached}, {record['seconds']:.0f} s", flush=True)
        return str(record["state"])

    def estimate(self, step: Step) -> float:
        """Returns the seconds that a step should take; 0 for one that is done, or for a training.

        What a step took for another network is the best estimate; then what `speed` measured.
        """
        if step.trains or self.is_done(step):
            return 0.0
        record = self.records.get(step.name, {})
        return record["seconds"] if record.get("state") == "done" else self._forecast(step)

    def plan(self, chosen: list[Step]) -> str:
        """Returns a line for each step: done, or what it will cost."""
        lines, total = [], 0.0
        for step in chosen:
            seconds, cost = self.estimate(step), "done"
            if not self.is_done(step):
                total += seconds
                cost = f"about {duration(seconds)}"
            if cost != "done" and step.trains:
                cost = f"what time there is; from step 0 about {duration(self._forecast(step))}"
                cost += f"; now at step {self.reached.get(str(step.place), 0):,}"
            lines.append(f"  {step.name:28} {cost}")
        return "\n".join([*lines, f"  all but the trainings: about {duration(total)}"])

    def write_results(self, command: list[str], left: list[str] | None) -> None:
        """Writes gpu.json, the pictures, and the networks where they are wanted.

        Args:
            command: the words of this call.
            left: names of steps that are not done, at the end of a call.
        """
        found = {}
        for step in steps(self.settings):
            if record := self.records.get(step.name):
                told = {key: record[key] for key in ("state", "seconds", "commands")}
                found[step.name] = told | (self._numbers(step) if self._tells(step) else {})
        content = {"machine": machine(self.device), "command": command, "left": left}
        write_json(self.results / "gpu.json", content | {"steps": found})
        self._draw_pictures()
        for name, place in self.places.items() if self.with_checkpoint else ():
            network = self.top / name / NETWORK
            if not place.varies and network.exists():
                link_file(network, self.results / f"{name}.pt")

    def _tells(self, step: Step) -> bool:
        return step.trains or self.is_done(step)

    def _numbers(self, step: Step) -> dict[str, Any]:
        """Metrics, counts or the last values of a log, with the training step of the network."""
        if step.place is None:
            return {}  # `speed` writes files of its own
        folder, numbers = self.folder(step), {}
        if step.name.endswith("-data"):
            return {"floor": read_metrics(folder / "reports/reference.json")}
        numbers["train_step"] = self.reached.get(self.places[step.place].trained, 0)
        if step.trains:
            return numbers | {"last_logged": _last_logged(folder)}
        numbers |= {"params": self.places[step.place].values}
        if step.scripts == ("evaluate",):
            return numbers | read_metrics(folder / METRICS)
        return numbers | read_json(folder / "artifacts/sample/summary.json")

    def _draw_pictures(self) -> None:
        """One of each network's samples; one of two rows for each variation, in their order."""
        varied = []
        for step in steps(self.settings):
            if step.scripts != ("sample",) or not self.is_done(step):
                continue
            images = read_npz(self.folder(step) / SAMPLES)["arr_0"]
            if self.places[str(step.place)].varies:
                varied.append(images[: SHOWN[1]])
            else:
                whole_rows = min(SHOWN[0], len(images) // NUM_COLUMNS * NUM_COLUMNS)
                write_grid(self.results / f"{step.place}.png", to_chw(images[:whole_rows]))
        if varied:
            write_grid(self.results / "variations.png", to_chw(np.concatenate(varied)))

    def _place(self, name: str) -> Path:
        place = self.places[name]
        if name not in self._folders:
            self._folders[name] = make_place(place, self.top)
        if place.varies:
            share(self.top / place.varies, self._folders[name])
        return self._folders[name]

    def _key(self, step: Step) -> str:
        folder = self.folder(step)
        if step.name not in self._settled:
            self._settled[step.name] = settled(step, folder)
        return step_key(step, folder, self._settled[step.name])

    def _publish(self, step: Step) -> None:
        if step.trains and not self.absent(step):
            self.reached[str(step.place)] = publish_network(self.folder(step))

    def _note(self, step: Step, record: dict[str, Any]) -> None:
        self.records[step.name] = record
        write_json(self.top / _RECORDS, self.records)

    def _forecast(self, step: Step) -> float:
        size = self.places[step.place].trained if step.place else ""
        rates = self._rates()
        return step.seconds + sum(
            flops / rates.get((kind, size), rates[kind, ""]) for kind, flops in step.work.items()
        )

    def _rates(self) -> dict[tuple[str, str], float]:
        """FLOP/s by kind and size: what `speed` has measured here, else a share of a product's."""
        product = _product_rate(self.device)
        rates = {(kind, ""): share * product for kind, share in SHARE.items()}
        for file in self.results.glob("*.json"):
            for size, values in read_json(file).get("sizes", {}).items():
                for kind in SHARE:
                    rates[kind, size] = values[kind]["flops_per_sec"]["ours"]
        return rates


@functools.cache
def _product_rate(device: torch.device) -> float:
    return matmul_rate(device, "bf16" if device.type == "cuda" else "fp32")


def _last_logged(folder: Path) -> dict[str, Any]:
    """The newest value of each number of a training's log, without those of single levels."""
    logs = [*folder.glob(f".work/train-*/{LOG}"), folder / "artifacts" / "train" / LOG]
    newest = max((log for log in logs if log.exists()), key=os.path.getmtime, default=None)
    last: dict[str, Any] = {}
    for row in read_jsonl(newest) if newest else []:
        last |= {key: value for key, value in row.items() if "level" not in key}
    return last


def run_command(words: list[str], folder: Path, log: Path, seconds: float) -> int:
    """Runs a command until it ends or its time does; returns its exit status, `STOPPED` then.

    At the end of its time it is asked to end as by Ctrl-C, and is ended if it does not. The kernel
    ends it together with this process, however that dies.

    Args:
        words: of the command.
        folder: in which it runs.
        log: its output is added to it.
        seconds: its time, without `GRACE_SEC`.
    """
    places_of_packages = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places_of_packages)}
    with open(log, "ab") as output:
        output.write(f"\n== {datetime.datetime.now():%F %T} {' '.join(words)}\n".encode())
        output.flush()
        child = subprocess.Popen(
            words,
            cwd=folder,
            env=environment | {"NCSN_LIVE": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=functools.partial(die_with_parent, os.getpid()),
        )
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return STOPPED
        finally:
            _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(GRACE_SEC - 3)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
