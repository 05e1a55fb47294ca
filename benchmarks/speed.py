"""Training, sampling and evaluation: the plain way beside ours, in one process, taking turns.

    python benchmarks/speed.py [--device cpu] [--size digits] [--repeats 9] [--threads 2]

Each repeat runs both ways one after the other, so that a machine whose speed drifts is fair to
both: the ratio is the median over repeats, times are the shortest. Peak memory is what a child
process that does one of the two alone takes above what it held before, on a GPU what the device
counts. FLOPs are counted
(ncsn.runtime.cost); their share is of a matrix product measured in the same run. On a GPU the
plain way is measured in two arithmetics, with a ratio for each (see `plain`); on a CPU both ways
are measured once more while another process trains on the same cores. Writes
benchmarks/results/DEVICE.json, a size beside the others that it holds, and the same as a table in
DEVICE.md.
"""

import argparse
import contextlib
import io
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# first: it tells OpenMP how threads wait, and torch loads that
import ncsn.base.entry  # noqa: F401

# isort: split
import plain
import torch
import ways
from evaluating import evaluation_works
from results import device_name, machine, write_results

RESULTS = Path(__file__).parent / "results"
UNITS = {"train": "steps/s", "sample": "evaluations/s"}
NEIGHBOUR, READY = "neighbour", "ready"
TARGET_SEC = 2.0  # of one way in one repeat
MATMUL_SEC = 0.5
CALLS_TO_THE_PEAK = 3  # the second one captures CUDA graphs, the third replays them
BESIDE_REPEATS = 3  # beside a neighbour; what two processes do to each other is far above noise
ARITHMETIC = {"plain": plain.TF32, "plain_fp32": plain.FP32}


def main() -> None:
    """Measures what the arguments ask for; prints the table and writes both files."""
    arguments = _arguments()
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if device.type == "cuda":  # as ncsn.runtime.device sets it; the plain way gets it too
        torch.set_float32_matmul_precision("high")
    if arguments.child == NEIGHBOUR:
        _be_busy(arguments, device)
    if arguments.child:
        print(json.dumps(_peak_memory(arguments, device)))
        return
    measured = measure(arguments, device)
    text = write_results(
        arguments.results, device_name(device), machine(device), arguments.size, measured
    )
    print(text)


def measure(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Returns everything about one size, as it goes into the results file."""
    size, way = (
        ways.SIZES[arguments.size],
        ways.way(arguments.precision, arguments.compile, device),
    )
    peaks = {name: matmul_rate(device, name) for name in ("fp32", "bf16")}
    flops = ways.flops_of(size)
    peak = peaks[way.precision]
    rows: dict[str, Any] = {}
    for kind, unit in UNITS.items():
        works, peaks_of_works = _works(kind, arguments, device)
        row = compare(works, arguments.repeats, device)
        row |= {"unit": unit, "flops_per_unit": flops[kind]}
        row["flops_per_sec"] = {way: flops[kind] * row["rate"][way] for way in works}
        row["share_of_matmul"] = row["flops_per_sec"]["ours"] / peak
        row["peak_memory_mib"] = peaks_of_works or {
            way: _child_memory(arguments, f"{way}-{kind}") for way in works
        }
        rows[kind] = row
    if device.type == "cpu":
        rows["beside_neighbour"] = beside_neighbour(arguments, device, rows)
    if evaluation := evaluation_works(size, device, arguments.inception):
        row = compare(evaluation, max(3, arguments.repeats // 3), device)
        rows["evaluate"] = row | {"unit": "images/s"}
    return {
        "shape_chw": size.image_shape,
        "base_channels": size.base_channels,
        "batch_size": size.batch_size,
        "num_samples_at_once": size.num_samples,
        "precision": way.precision,
        "compiled": way.compiled,
        "compile": arguments.compile,
        "fp32_multiplies_as": "TF32" if device.type == "cuda" else "fp32",
        "plain_arithmetic": _arithmetics(device),
        "plain_workers": arguments.workers,
        "repeats": arguments.repeats,
        "matmul_flops_per_sec": peaks,
        **rows,
    }


def compare(works: dict[str, ways.Work], repeats: int, device: torch.device) -> dict[str, Any]:
    """Runs the works in turn; returns best rates by name, and median ratios ours / each other.

    The number of calls in a repeat is such that a way takes about two seconds, at least one call.
    """
    calls = {}
    for name, work in works.items():
        for _ in range(2):  # kernels are loaded and code compiled before anything is measured
            seconds_of(work, device)
        calls[name] = max(1, min(1000, round(TARGET_SEC / seconds_of(work, device)[0])))
    rates: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats):
        order = list(works) if repeat % 2 else list(reversed(works))
        for name in order:
            seconds, units = seconds_of(_times(works[name], calls[name]), device)
            rates[name].append(units / seconds)
        print(".", end="", flush=True, file=sys.stderr)
    others = [name for name in works if name != "ours"]
    return {
        "rate": {name: max(values) for name, values in rates.items()},
        "median_rate": {name: statistics.median(values) for name, values in rates.items()},
        "ratios": {name: _ratio(rates["ours"], rates[name]) for name in others},
    }


def _ratio(ours: list[float], other: list[float]) -> dict[str, Any]:
    ratios = [mine / theirs for mine, theirs in zip(ours, other, strict=True)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"ratio": statistics.median(ratios), "ratio_quartiles": [quartiles[0], quartiles[2]]}


def beside_neighbour(
    arguments: argparse.Namespace, device: torch.device, alone: dict[str, Any]
) -> dict[str, Any]:
    """Measures both ways while another process trains without end on the same cores.

    Args:
        arguments: of the command; the neighbour gets them too.
        device: a CPU.
        alone: the rows measured before, by kind.
    """
    neighbour = subprocess.Popen(
        _child_words(arguments, NEIGHBOUR), stdout=subprocess.PIPE, text=True
    )
    try:
        assert neighbour.stdout is not None
        if neighbour.stdout.readline().strip() != READY:
            raise RuntimeError("the busy neighbour did not start")
        found = {}
        for kind, unit in UNITS.items():
            row = compare(_works(kind, arguments, device)[0], BESIDE_REPEATS, device)
            rates = row["median_rate"]
            known = alone[kind]["median_rate"]
            shares = {way: rates[way] / known[way] for way in rates}
            found[kind] = row | {"unit": unit, "share_of_alone": shares}
        if neighbour.poll() is not None:
            raise RuntimeError("the busy neighbour ended before the measurement did")
        return found
    finally:
        neighbour.kill()
        neighbour.wait()


def _be_busy(arguments: argparse.Namespace, device: torch.device) -> None:
    """Trains until it is killed."""
    work = _work("ours-train", arguments, device)
    work()
    print(READY, flush=True)
    while True:
        work()


def seconds_of(work: ways.Work, device: torch.device) -> tuple[float, float]:
    """Returns the seconds of one call, the device's queue included, and the units it did."""
    _wait(device)
    begin = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        units = work()
    _wait(device)
    return time.perf_counter() - begin, units


def matmul_rate(device: torch.device, precision: str) -> float:
    """Returns FLOP/s of a large matrix product: the best of several, after a warm-up."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds_of(lambda: float((a @ b).shape[0]), device)
    best, begin = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - begin < MATMUL_SEC:
        best = min(best, seconds_of(lambda: float((a @ b).shape[0]), device)[0])
    return 2 * side**3 / best


def _arithmetics(device: torch.device) -> dict[str, str]:
    """How each plain way that the device runs multiplies; a CPU knows fp32 alone."""
    return ARITHMETIC if device.type == "cuda" else {"plain": plain.FP32}


def _works(
    kind: str, arguments: argparse.Namespace, device: torch.device
) -> tuple[dict[str, ways.Work], dict[str, float]]:
    """The ways to do one kind of work; on a GPU also the MiB that each one takes at its peak.

    A GPU counts its memory itself. Else a child process would have to compile it all once more.
    """
    works, peaks = {}, {}
    for way in [*_arithmetics(device), "ours"]:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
        works[way] = _work(f"{way}-{kind}", arguments, device)
        if device.type == "cuda":
            for _ in range(CALLS_TO_THE_PEAK):
                seconds_of(works[way], device)
            peaks[way] = (torch.cuda.max_memory_allocated(device) - before) / 2**20
    return works, peaks


def _work(name: str, arguments: argparse.Namespace, device: torch.device) -> ways.Work:
    size, precision = ways.SIZES[arguments.size], arguments.precision
    way, _, kind = name.partition("-")
    if way == "ours" and kind == "train":
        return ways.our_training(size, device, precision, arguments.compile, 1)
    if way == "ours":
        return ways.our_sampling(size, device, precision, arguments.compile)
    if kind == "train":
        return ways.plain_training(size, device, arguments.workers, 1, ARITHMETIC[way])
    return ways.plain_sampling(size, device, ARITHMETIC[way])


def _times(work: ways.Work, calls: int) -> ways.Work:
    return lambda: sum(work() for _ in range(calls))


def _child_memory(arguments: argparse.Namespace, name: str) -> float:
    """Peak memory in MiB of a process that does `name` alone, less what it had before."""
    words = _child_words(arguments, name)
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def _child_words(arguments: argparse.Namespace, name: str) -> list[str]:
    words = [sys.executable, __file__, "--child", name]
    for key in ("device", "size", "precision", "compile", "threads", "workers"):
        words += [f"--{key}", str(getattr(arguments, key))]
    return words


def _peak_memory(arguments: argparse.Namespace, device: torch.device) -> dict[str, float]:
    # The kernel's high-water mark starts anew: imports take more for a moment.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident_mib("VmRSS")
    work = _work(arguments.child, arguments, device)
    for _ in range(CALLS_TO_THE_PEAK):
        work()
    return {"peak_mib": _resident_mib("VmHWM") - before}


def _resident_mib(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    parser.add_argument("--size", default="digits", choices=tuple(ways.SIZES))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 lets torch choose")
    parser.add_argument("--workers", type=int, default=0, help="of the plain way's DataLoader")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--compile", default="auto", choices=("auto", "always", "never"))
    parser.add_argument("--inception", help="weights that colour images are evaluated with")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
