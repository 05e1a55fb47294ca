"""Looks at the files that params name and git does not know; leaves a fingerprint of each kind.

They decide results like any source: `prepare` depends on those of the data, `reference` on those
of the weights. Runs at every `dvc repro`, before all others: paths of dvc.yaml that would cost the
user a file are refused here, since DVC empties the outs of a stage before the stage can.
"""

from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.base.outside import located
from ncsn.config.params import load_params
from ncsn.config.paths import CHECKED, DATA_SOURCE, WEIGHTS_SOURCE, refuse_users_folders
from ncsn.data.fingerprint import data_fingerprint, weights_fingerprint


def main() -> str:
    """The stage."""
    params = load_params("paths", "data", "reference")
    paths, memory = params.paths, located(params.paths.work) / "source"
    refuse_users_folders(paths)
    data = data_fingerprint(params.data, memory / "data.json")
    weights = weights_fingerprint(params.reference, memory / "weights.json")
    write_json(DATA_SOURCE, data)
    write_json(WEIGHTS_SOURCE, weights)
    write_json(CHECKED, {"paths": "keep the rules"})
    found = data.get("files", 0) + weights.get("files", 0)
    return f"{DATA_SOURCE}: {found:,} files outside the project's own"


if __name__ == "__main__":
    entry(main)
