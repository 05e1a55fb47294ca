"""Looks at the files that params name and git does not know; leaves a fingerprint of each kind.

They decide results like any source: `prepare` depends on those of the data, `reference` on those
of the weights. Runs at every `dvc repro`.
"""

import time

from ncsn.data.fingerprint import data_fingerprint, weights_fingerprint
from ncsn.entry import entry
from ncsn.io import write_json
from ncsn.outside import located
from ncsn.params import load_params


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("paths", "data", "reference")
    paths, memory = params.paths, located(params.paths.work) / "source"
    data = data_fingerprint(params.data, memory / "data.json")
    weights = weights_fingerprint(params.reference, memory / "weights.json")
    write_json(paths.data_source, data)
    write_json(paths.weights_source, weights)
    seconds = time.perf_counter() - begin
    found = data.get("files", 0) + weights.get("files", 0)
    print(f"{paths.data_source}: {found:,} files outside the project's own, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)
