"""Takes a run of MLflow; registers its model and makes it the champion of its data set.

Run it as `python pipeline/champion.py RUN`, RUN being a name, an id, or the beginning of one.
"""

import argparse

from ncsn.base.entry import entry
from ncsn.config.params import load_params
from ncsn.tracking.registry import set_champion


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make a run's model the champion of its data.")
    parser.add_argument("run", metavar="RUN", help="name or id, or the beginning of one")
    made = set_champion(load_params("track").track, parser.parse_args().run)
    before = f", before it version {made.was}" if made.was not in (None, made.version) else ""
    print(f"models:/{made.name}@champion is version {made.version}{before}\n{made.link}")


if __name__ == "__main__":
    entry(main)
