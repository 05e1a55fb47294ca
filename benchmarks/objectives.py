"""Seconds of a gradient step with each objective, against the dimension.

    python benchmarks/objectives.py [--rows 8] [--dims 2 8 32 128 512 3072]

Seconds of CPU time of one thread, which neighbours on the same cores change little. The objectives
take turns, medians of REPEATS; a step of more than SLOW_SEC is made once. Writes
results/objectives.csv and results/objectives.png. The stage `toy` counts FLOPs and measures the
noise of the same gradients; seconds are in none of its files, which equal runs leave equal.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from results import device_name
from torch import Tensor

from ncsn.base.chart_style import house_style, png_bytes
from ncsn.base.files import whole_file
from ncsn.base.rng import generator
from ncsn.toy.objectives import OBJECTIVES, HalfLearned, Objective
from ncsn.toy.objectives_figure import draw_costs

REPEATS, SLOW_SEC = 9, 2.0
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=8, help="points in a batch")
    parser.add_argument("--dims", type=int, nargs="+", default=[2, 8, 32, 128, 512, 3072])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dims = sorted(arguments.dims)
    lines = ["dimension,objective,rows,seconds,repeats"]
    seconds: dict[str, list[float]] = {name: [] for name in OBJECTIVES}
    for dim in dims:
        for name, times in _times(dim, arguments.rows).items():
            seconds[name].append(statistics.median(times))
            lines.append(f"{dim},{name},{arguments.rows},{seconds[name][-1]:.4g},{len(times)}")
            print(lines[-1], flush=True)
    with whole_file(RESULTS / "objectives.csv") as path:
        path.write_text("\n".join(lines) + "\n")
    costs = {name: torch.tensor(values) for name, values in seconds.items()}
    with house_style(), whole_file(RESULTS / "objectives.png") as path:
        path.write_bytes(png_bytes(_figure(torch.tensor(dims), costs, arguments.rows)))


def _times(dim: int, rows: int) -> dict[str, list[float]]:
    """Seconds of single steps by objective, in turns; the first call of each only if slow."""
    nets = {name: HalfLearned(dim, o.sigma, generator(0)) for name, o in OBJECTIVES.items()}
    first = {name: _step_sec(o, nets[name], dim, rows) for name, o in OBJECTIVES.items()}
    times = {name: [sec] if sec > SLOW_SEC else [] for name, sec in first.items()}
    for _ in range(REPEATS):
        for name, objective in OBJECTIVES.items():
            if first[name] <= SLOW_SEC:
                times[name].append(_step_sec(objective, nets[name], dim, rows))
    return times


def _step_sec(objective: Objective, net: HalfLearned, dim: int, rows: int) -> float:
    draws = generator(dim)
    x = torch.randn((rows, dim), generator=draws)
    begin = time.process_time()
    objective.losses(net, x, draws).mean().backward()
    spent = time.process_time() - begin
    net.zero_grad()
    return spent


def _figure(dims: Tensor, costs: dict[str, Tensor], rows: int) -> Figure:
    figure = Figure(figsize=(6.4, 3.9))
    axes = figure.subplots()
    title = f"One thread of {device_name(torch.device('cpu'))}, {rows} points a step"
    draw_costs(axes, dims, costs, title, "CPU seconds of a gradient step")
    axes.legend(loc="upper left", fontsize=7.5)
    return figure


if __name__ == "__main__":
    main()
