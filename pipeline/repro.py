"""Runs `dvc repro`, says which stage of how many is at work, and ends with what came out.

`make repro` runs it. To run single stages, or with DVC's own options, call `dvc repro` itself.
"""

import argparse
import sys
from pathlib import Path

from ncsn.base.entry import entry
from ncsn.base.headline import headline
from ncsn.base.records import read_metrics
from ncsn.config.params import load_params
from ncsn.runtime.repro import run_repro


def main() -> str:
    """The command."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    paths = load_params("paths").paths
    if status := run_repro(paths.work):
        sys.exit(status)
    oracle = read_metrics(paths.oracle_metrics) if Path(paths.oracle_metrics).exists() else {}
    print(f"\n{headline(read_metrics(paths.metrics), oracle)}")
    print(f"  page     {paths.report}")
    print("  MLflow   make ui")
    print("  next     change params.yaml, make repro, and python pipeline/compare.py")
    return "everything is up to date"


if __name__ == "__main__":
    entry(main)
