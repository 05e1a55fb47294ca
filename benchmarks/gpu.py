"""All that wants a GPU, in calls of bounded time: speed, both data sets at the papers' size, and
what epsilon, steps per level and a last denoising change.

    python benchmarks/gpu.py --mnist DIR --cifar NPZ --inception PTH     as far as it gets
    python benchmarks/gpu.py ... --steps cifar10-train cifar10-sample    some steps alone
    python benchmarks/gpu.py ... --plan                                  what is left, and its cost
    python benchmarks/gpu.py --small                                     all on the CPU, in minutes

Call it again until it says that nothing is left. A step that is done is skipped, one that was
interrupted goes on, however it ended; the samples and metrics of a training that has gone on since
are made again. A training takes the time of the call that later steps do not need, and what it has
reached is sampled and measured. After each step FOLDER/results has it all in few files: gpu.json,
gpu.log, the tables of `speed`, a picture for each network and one for all variations. No package
is needed beyond those of the stages prepare, reference, train, sample and evaluate.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import torch
from gpu_places import write_small_data
from gpu_steps import Settings, Step, steps
from gpu_work import GRACE_SEC, Work

from ncsn.base.entry import entry
from ncsn.base.errors import UserError, nearest
from ncsn.base.progress import duration

LEAST_SHARE = 0.25  # of the time left in a call, that a training gets in any case
RESULTS_SEC = 10.0  # for the results after the last step
LEAST_SEC = 5.0  # less is not worth the start of a step
SMALL_STEPS, SMALL_SAMPLES = 12, 60


def main() -> None:
    """The command."""
    arguments = _arguments()
    begin = time.monotonic() - _seconds_since_start()
    settings = _settings(arguments)
    work = Work(settings, arguments.folder, arguments.with_checkpoint)
    chosen = _chosen(steps(settings), arguments.steps)
    seconds = 60 * arguments.minutes - GRACE_SEC - RESULTS_SEC
    print(f"{duration(seconds)} for this call, and before it starts:")
    print(work.plan(chosen), flush=True)
    if arguments.plan:
        return
    train_seconds = arguments.train_minutes and 60 * arguments.train_minutes
    failed = _run_all(work, chosen, begin + seconds, train_seconds)
    left = [step.name for step in chosen if not work.is_done(step)]
    work.write_results(sys.argv, left)
    said = f"left: {', '.join(left)}; call it again" if left else "nothing is left"
    print(f"{said}; results lie in {work.results}")
    if failed:
        raise UserError(f"{', '.join(failed)} failed; the end of {work.log} says why")


def _run_all(
    work: Work, chosen: list[Step], deadline: float, train_seconds: float | None
) -> list[str]:
    """Runs what is not done until the deadline; returns the names of steps that failed."""
    failed, ran = [], 0
    for number, step in enumerate(chosen):
        remaining = deadline - time.monotonic()
        if work.is_done(step):
            continue
        if absent := work.absent(step):
            print(f"{step.name}: waits for {absent[0]} of {step.place}", flush=True)
            continue
        # What cannot go on later is not begun in vain, unless a whole call is too short for it.
        in_vain = not step.goes_on and work.estimate(step) > remaining and ran > 0
        if remaining < LEAST_SEC or in_vain:
            print(f"{step.name}: no time for it in this call", flush=True)
            break
        if step.trains:
            later = sum(work.estimate(other) for other in chosen[number + 1 :])
            share = max(remaining - later, LEAST_SHARE * remaining)
            remaining = min(remaining, train_seconds or share)
        if work.run(step, remaining) == "failed":
            failed.append(step.name)
        ran += 1
        work.write_results(sys.argv, None)
    return failed


def _seconds_since_start() -> float:
    """Seconds that this process has lived: to load torch takes some, and they count."""
    file = Path("/proc/self/stat")
    if not file.exists():
        return 0.0
    begun = int(file.read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun


def _chosen(every: list[Step], names: list[str]) -> list[Step]:
    """The steps whose names begin with one of `names`; all without names."""
    for name in names:
        if not any(step.name.startswith(name) for step in every):
            known = [step.name for step in every]
            raise UserError(
                f"--steps (value {name!r}): must begin the name of a step: {', '.join(known)}."
                f"{nearest(name, known)}"
            )
    return [step for step in every if not names or step.name.startswith(tuple(names))]


def _settings(arguments: argparse.Namespace) -> Settings:
    small = arguments.small
    mnist, cifar = arguments.mnist, arguments.cifar
    for name, path in (("mnist", mnist), ("cifar", cifar), ("inception", arguments.inception)):
        if path is not None and not path.exists():
            raise UserError(f"--{name} (value '{path}'): there is no such file or folder")
    if small and not (mnist or cifar):
        mnist, cifar = write_small_data(arguments.folder / "data")
    if cifar and not small and arguments.inception is None:
        raise UserError("--inception: must be given with --cifar, whose images it measures")
    if not small and not torch.cuda.is_available():
        raise UserError("there is no GPU here that torch can use; --small tries all on the CPU")
    return Settings(
        small,
        "cpu" if small else "cuda",
        mnist,
        cifar,
        arguments.inception,
        arguments.train_steps or (SMALL_STEPS if small else 200_000),
        arguments.samples or (SMALL_SAMPLES if small else 10_000),
        arguments.variation_samples or (SMALL_SAMPLES if small else 2_000),
        1 if small else arguments.repeats,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--mnist", type=Path, metavar="DIR", help="the four IDX files; without it no MNIST")
    add("--cifar", type=Path, metavar="NPZ", help="x_train, y_train, x_test, y_test; or no CIFAR")
    add("--inception", type=Path, metavar="PTH", help="state dict up to layer 768, for CIFAR-10")
    add("--folder", type=Path, default=Path(".gpu"), help="of all work and its results")
    add("--minutes", type=float, default=9.0, help="the most that this call may take")
    add("--train-minutes", type=float, help="of each training; else what later steps leave")
    add("--steps", nargs="+", default=[], metavar="NAME", help="beginnings of names")
    add("--train-steps", type=int, help="of a whole training; 200,000 as in the paper")
    add("--samples", type=int, help="measured of each network; 10,000")
    add("--variation-samples", type=int, help="of each variation; 2,000")
    add("--repeats", type=int, default=3, help="of each speed measurement")
    add("--with-checkpoint", action="store_true", help="results hold the networks too: 480 MB")
    add("--plan", action="store_true", help="say what is left and what it costs, and end")
    add("--small", action="store_true", help="all at tiny size on the CPU")
    return parser.parse_args()


if __name__ == "__main__":
    entry(main)
