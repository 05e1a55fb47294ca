"""Takes the MLflow store; serves its pages on this machine until Ctrl-C.

`make ui` runs it. It prints the addresses that open this project's runs, curves and images.
"""

import argparse
import signal

from ncsn.base.entry import entry
from ncsn.config.params import load_params
from ncsn.tracking.server import addresses, serving


def main() -> None:
    argparse.ArgumentParser(description="Serve MLflow's pages of this project.").parse_args()
    track = load_params("track").track
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C
    with serving(track) as address:
        for name, path in addresses(track).items():
            print(f"{name}:\n  {address}{path}", flush=True)
        print("Ctrl-C stops the server", flush=True)
        signal.pause()


if __name__ == "__main__":
    entry(main)
