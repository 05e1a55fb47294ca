"""Takes nothing; leaves figures and numbers of the 2-D studies: true scores are known there.
Runs on the CPU in one thread: its matrices are too small for a second one to pay.
Run it with `dvc repro toy`."""

import torch

from ncsn.base.entry import entry
from ncsn.base.files import whole_folder
from ncsn.base.records import write_metrics
from ncsn.config.params import load_params
from ncsn.toy.figures import write_figures
from ncsn.toy.study import toy_study
from ncsn.toy.summary import shares_line, toy_summary, write_objectives_table


def main() -> str:
    """The stage."""
    torch.set_num_threads(1)
    params = load_params("base", "paths", "toy")
    with whole_folder(params.paths.toy_figures) as folder:
        study = toy_study(params.toy, params.base.seed)
        write_figures(study, folder)
        write_objectives_table(study.objectives, folder)
    summary = toy_summary(study)
    write_metrics(params.paths.toy_summary, summary)
    return f"{params.paths.toy_summary}: share of the larger mode {shares_line(study)}"


if __name__ == "__main__":
    entry(main)
