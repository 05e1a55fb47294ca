"""Takes nothing; leaves figures and numbers of the 2-D studies: true scores are known there.
Runs on the CPU in one thread: its matrices are too small for a second one to pay.
Run it with `dvc repro toy`."""

import time

import torch

from ncsn.base.entry import entry
from ncsn.base.files import whole_folder, write_json
from ncsn.config.params import load_params
from ncsn.toy.figures import write_figures
from ncsn.toy.study import toy_study, toy_summary


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    torch.set_num_threads(1)
    params = load_params("base", "paths", "toy")
    with whole_folder(params.paths.toy_figures) as folder:
        study = toy_study(params.toy, params.base.seed)
        write_figures(study, folder)
    summary = toy_summary(study)
    write_json(params.paths.toy_summary, summary)
    shares = ", ".join(f"{name} {float(x.mean()):.3f}" for name, x in study.mixing.shares.items())
    seconds = time.perf_counter() - begin
    print(f"{params.paths.toy_summary}: share of the larger mode {shares}, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)
