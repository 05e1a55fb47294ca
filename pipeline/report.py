"""Takes the result files of all stages; leaves the page, its figures, the tables of `dvc plots`.
Every value on the page comes from these files and from the params that the stage lists.
Run it with `dvc repro report`."""

from ncsn.base.entry import entry
from ncsn.config.params import load_params
from ncsn.report.run.inputs import read_inputs
from ncsn.report.run.write import write_report


def main() -> str:
    """The stage."""
    params = load_params(
        "base",
        "paths",
        "data",
        "reference",
        "noise",
        "model",
        "train",
        "sampler",
        "sample",
        "oracle",
        "illustrate",
        "neighbours",
        "evaluate",
        "report",
    )
    fid, *_ = write_report(read_inputs(params.paths), params)
    return f"{params.paths.report}: FID {fid.network.value:.4g} ({fid.conditions})"


if __name__ == "__main__":
    entry(main)
