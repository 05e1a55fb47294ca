"""Takes the code; leaves a small file for each stage: what of the code decides its outs.

A stage depends on its file: a docstring, a comment or another stage's module runs nothing again.
Run it with `dvc repro fingerprint`.
"""

from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.config.params import load_params
from ncsn.config.paths import FINGERPRINTS
from ncsn.runtime.dag import fingerprinted_stages
from ncsn.runtime.fingerprints import fingerprint


def main() -> str:
    """The stage."""
    load_params()
    stages = fingerprinted_stages()
    for stage in stages:
        write_json(f"{FINGERPRINTS}/{stage}.json", fingerprint(stage))
    return f"{FINGERPRINTS}: {len(stages)} stages"


if __name__ == "__main__":
    entry(main)
