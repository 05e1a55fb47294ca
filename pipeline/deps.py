"""Takes the imports of every stage's script; writes the modules they reach into dvc.yaml's deps.
Needed after an import was added or removed; a test fails until it was run.
Run it with `make deps`."""

import argparse
from pathlib import Path

from ncsn.base.entry import entry
from ncsn.base.yaml_file import read_commented, write_commented
from ncsn.config.paths import DVC_FILE
from ncsn.runtime.imports import imported_modules


def main() -> None:
    """The command."""
    text = "Write the library modules of each stage into dvc.yaml."
    argparse.ArgumentParser(description=text).parse_args()
    document = read_commented(DVC_FILE)
    for name, stage in document["stages"].items():
        script = f"pipeline/{name}.py"
        data = [dep for dep in stage["deps"] if not str(dep).endswith(".py")]
        modules = [path.as_posix() for path in imported_modules(Path(script))]
        stage["deps"][:] = [script, *modules, *data]
    write_commented(DVC_FILE, document)
    print(f"{DVC_FILE}: deps of {len(document['stages'])} stages")


if __name__ == "__main__":
    entry(main)
