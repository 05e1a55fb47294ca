"""How long `dvc repro` takes with nothing to do, beside the same DAG with trivial stages.

Run it after `make repro`: `.venv/bin/python benchmarks/noop.py`. The trivial project has the same
stages, deps, params and outs; its files hold a line of text, its commands only write their outs.
Stages that DVC runs every time run in both.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ncsn.base.yaml_file import read_commented, write_commented
from ncsn.runtime.dag import stage_table

REPEATS = 5
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def main() -> None:
    """Prints both medians and their difference."""
    with tempfile.TemporaryDirectory() as folder:
        trivial = Path(folder)
        _make_trivial(trivial)
        pairs = [(_noop_sec(Path.cwd()), _noop_sec(trivial)) for _ in range(REPEATS)]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"no-op dvc repro: {ours:.2f} s here, {bare:.2f} s trivial DAG, {ours - bare:+.2f} s")


def _make_trivial(folder: Path) -> None:
    document = read_commented("dvc.yaml")
    del document["plots"]
    outputs = set()
    for name, stage in stage_table().items():
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in _outs(stage)]
        outputs.update(outs)
        writes = "; ".join(f"mkdir -p $(dirname {out}); echo {name} > {out}" for out in outs)
        document["stages"][name]["cmd"] = writes
    deps = {dep for stage in stage_table().values() for dep in stage["deps"]} - outputs
    for dep in deps:
        file = folder / dep / "file" if Path(dep).is_dir() else folder / dep
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text\n")
    (folder / "params.yaml").write_text(Path("params.yaml").read_text())
    write_commented(folder / "dvc.yaml", document)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
        subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True)


def _outs(stage: dict) -> list:
    return [*stage.get("outs", []), *stage.get("metrics", [])]


def _noop_sec(folder: Path) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        ["dvc", "repro"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    seconds = time.perf_counter() - begin
    always = {name for name, stage in stage_table().items() if "always_changed" in stage}
    ran = set(re.findall(r"Running stage '(\w+)'", done.stdout))
    if done.returncode or ran - always:
        sys.exit(f"{folder}: was not a no-op; run `make repro` first\n{done.stdout}{done.stderr}")
    return seconds


if __name__ == "__main__":
    main()
