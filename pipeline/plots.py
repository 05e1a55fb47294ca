"""Takes nothing; leaves the template of the page that `dvc plots` makes, by which its charts are
drawn without a network. `make setup` calls it and tells DVC where the file lies.
Run it with `python pipeline/plots.py`."""

import argparse

from ncsn.base.entry import entry
from ncsn.report.plots_page import PLOTS_PAGE, write_plots_page


def main() -> str:
    """The command."""
    argparse.ArgumentParser(description="Let `dvc plots` work without a network.").parse_args()
    write_plots_page(PLOTS_PAGE)
    return f"{PLOTS_PAGE}: the page of `dvc plots` without a network"


if __name__ == "__main__":
    entry(main)
