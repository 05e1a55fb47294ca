"""Takes the metrics of the present params and reports/published.yaml; says number by number
whether the published run of the same preset is reproduced. Exit status 1 where it is not.
Run it with `make verify`; `python pipeline/verify.py --help` says how numbers are published."""

import sys

from ncsn.base.entry import entry
from ncsn.verify.command import run_command_line


def main() -> None:
    """The command."""
    sys.exit(run_command_line())


if __name__ == "__main__":
    entry(main)
