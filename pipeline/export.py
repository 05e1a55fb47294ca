"""Takes a checkpoint; leaves a folder that can be used without this pipeline: weights as
safetensors, a configuration, a model card with metrics and samples.
Run it with `python pipeline/export.py [--out FOLDER] [--checkpoint PATH]`."""

import argparse

from ncsn.base.entry import entry
from ncsn.base.progress import notice
from ncsn.config.params import load_params
from ncsn.export.write import write_export


def main() -> str:
    """The command."""
    parser = argparse.ArgumentParser(description="Write a trained network for use elsewhere.")
    parser.add_argument("--out", metavar="FOLDER", help="default exports/DATA-MODEL")
    parser.add_argument("--checkpoint", metavar="PATH", help="default the pipeline's own")
    options = parser.parse_args()
    params = load_params("paths", "data", "noise", "model", "sampler", "sample")
    folder = options.out or f"exports/{params.data.name}-{params.model.name}"
    without = write_export(folder, params, options.checkpoint or params.paths.checkpoint)
    if without:
        notice(f"the card has no metrics: {without}; `dvc repro` makes them")
    return f"{folder}: README.md says how to use it"


if __name__ == "__main__":
    entry(main)
