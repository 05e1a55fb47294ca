"""Takes nothing; prints a line for each thing that the pipeline needs of this machine: fine, or
what to do. Changes nothing. Exit status 1 where `make repro` would fail.
Run it with `make doctor`, or `python pipeline/doctor.py`."""

import argparse
import sys

from ncsn.base.entry import entry
from ncsn.doctor.checks import CHECKS
from ncsn.doctor.lines import diagnose


def main() -> None:
    """The command."""
    argparse.ArgumentParser(description="Look at what the pipeline needs here.").parse_args()
    sys.exit(diagnose(CHECKS))


if __name__ == "__main__":
    entry(main)
