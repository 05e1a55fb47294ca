"""docs/extending.md taken at its word: its blocks are applied to a copy of the project and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tiny import TINY

from ncsn.base.files import read_json, read_npz
from ncsn.base.records import read_metrics
from ncsn.config.preset import write_values
from ncsn.runtime.dag import fingerprinted_stages
from ncsn.runtime.fingerprints import PRESENTING, fingerprint

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
COPIED = ("src", "pipeline", "studies", "params.yaml", "dvc.yaml", "pyproject.toml")
CHOSEN = {"data.name": "dots", "model.name": "plain", "sampler.name": "tamed_langevin"}
KINDS = ("data set", "network", "sampler", "metric", "study")
# All in one process, since each would load torch anew: the stages, and what they leave; the
# paper's sampler in place of the new one; a law of the metric; what lists the new names.
RUN = """
import json, runpy, shutil, sys
from pathlib import Path
def stage(name):
    print(runpy.run_path(f"pipeline/{name}.py")["main"]())
for name in ("prepare", "reference", "noise", "train", "sample", "evaluate"):
    stage(name)
shutil.move("artifacts/sample/samples.npz", "tamed.npz")
text = Path("params.yaml").read_text()
Path("params.yaml").write_text(text.replace("tamed_langevin", "annealed_langevin"))
stage("sample")
Path("params.yaml").write_text(text)
import torch
from ncsn.evaluate.metrics import coverage
from ncsn.train.checkpoint import load_checkpoint
saved, real = load_checkpoint("artifacts/train/checkpoint.pt"), torch.arange(10.0)[:, None]
sys.argv = ["sweep.py", "list"]
from ncsn.sweep.cli import run_command_line
run_command_line()
from ncsn.base.records import read_metrics
from ncsn.report.run.tables import metric_rows
from ncsn.sweep.studies.plan import grid_points, load_plan
from ncsn.sweep.studies.study import OBJECTIVES
plan = load_plan("tamed", "digits", "network")
points = grid_points(plan)
metrics, reference = (read_metrics(f"reports/{name}.json") for name in ("metrics", "reference"))
rows = metric_rows(metrics, reference, "test", 64)
json.dump({
    "network": [saved.params["model"]["name"], *saved.net],
    "coverage": [coverage(points, real, 1) for points in (real, real[:1], real + 99)],
    "points": points,
    "objections": [plan.objection(plan.values(point)) for point in points],
    "objectives": OBJECTIVES,
    "report": {row.key: [row.title, row.conditions] for row in rows},
}, open("found.json", "w"))
"""


class Block(NamedTuple):
    """A block of the page: the file that it makes, or the change of one that is there."""

    path: str
    is_change: bool
    body: str


def blocks(text: str) -> list[Block]:
    """The blocks of a piece of the page that stand under a path."""
    found = re.findall(r"^`([^`\s]+)`[^\n]*:\n\n```(\w+)\n(.*?)^```$", text, re.M | re.S)
    return [Block(path, language == "diff", body) for path, language, body in found]


def section(kind: str) -> str:
    """The part of the page about one kind of addition."""
    return PAGE.split(f"\n## A {kind}\n")[1].split("\n## ")[0]


def apply_block(block: Block, root: Path) -> None:
    """Writes a new file, or changes one where its lines stand exactly once."""
    path = root / block.path
    if not block.is_change:
        assert not path.exists(), path
        path.write_text(block.body)
        return
    for hunk in block.body.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in (" ", s)) for s in "-+")
        text = path.read_text()
        assert f"\n{text}".count(f"\n{old}") == 1, f"{block.path} has not exactly once:\n{old}"
        path.write_text(f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:])


def copy(folder: Path, kinds: Sequence[str]) -> Path:
    """A copy of the project with additions."""
    for name in COPIED:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    for kind in kinds:
        for block in blocks(section(kind)):
            apply_block(block, folder)
    return folder


def run(folder: Path, *words: str) -> str:
    """Runs Python in a copy, with the library of the copy."""
    own = {"PYTHONPATH": str(folder / "src"), "NCSN_LIVE": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Extended(NamedTuple):
    """A copy with all additions after its stages have run: folder, output, and found values."""

    folder: Path
    output: str
    found: dict[str, Any]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    folder = copy(tmp_path_factory.mktemp("extended"), KINDS)
    write_values(TINY, folder / "params.yaml")
    text = (folder / "params.yaml").read_text()
    for key, value in CHOSEN.items():  # names that the library of these tests does not know
        begin = f"\n{key.split('.')[0]}:\n  name: "
        assert text.count(begin) == 1
        head, tail = text.split(begin)
        text = f"{head}{begin}{value}{tail.lstrip('abcdefghijklmnopqrstuvwxyz_')}"
    (folder / "params.yaml").write_text(text)
    output = run(folder, "-c", RUN)
    return Extended(folder, output, read_json(folder / "found.json"))


def test_the_data_set_is_prepared(extended: Extended) -> None:
    summary = read_json(extended.folder / "artifacts" / "data" / "summary.json")
    assert summary["name"] == "dots"
    assert summary["train"]["count"] + summary["test"]["count"] == 1_000
    assert "prepare: dots, 800 train and 200 test images of 8x8x1" in extended.output


def test_the_network_is_trained(extended: Extended) -> None:
    weights = ["head.weight", "head.bias", "tail.weight", "tail.bias"]
    assert extended.found["network"] == ["plain", *weights]


def test_the_sampler_draws(extended: Extended) -> None:
    """Its images are not those of Algorithm 1 with the same network and noise."""
    tamed, plain = (
        read_npz(extended.folder / name)["arr_0"]
        for name in ("tamed.npz", "artifacts/sample/samples.npz")
    )
    assert tamed.shape == plain.shape == (40, 8, 8, 1)
    assert not np.array_equal(tamed, plain)


def test_the_metric_is_measured_reported_and_an_objective(extended: Extended) -> None:
    metrics = read_metrics(extended.folder / "reports" / "metrics.json")
    assert 0 <= metrics["eval/coverage"] <= 1
    title, conditions = extended.found["report"]["eval/coverage"]
    assert title == "Coverage"
    assert conditions == "classifier, layer 128, 40 samples vs 200 test images"
    assert "eval/coverage" in extended.found["objectives"]


def test_coverage_counts_what_is_reached(extended: Extended) -> None:
    """Ten points in a row: reached are all by themselves, two by the first, none from afar."""
    assert extended.found["coverage"] == [1.0, 0.2, 0.0]


def test_the_study_is_listed_and_planned(extended: Extended) -> None:
    assert "tamed (digits): Whether a tamed drift allows larger steps." in extended.output
    assert len(extended.found["points"]) == 10
    assert extended.found["objections"] == [None] * 10


def test_the_blocks_keep_the_house_style(extended: Extended) -> None:
    for words in (["check"], ["format", "--check"]):
        run(extended.folder, "-m", "ruff", *words, "--no-cache", "src")


def stated(kind: str) -> tuple[int, int, list[str]]:
    """What the page's table says of a kind: files, lines added, stages that run anew."""
    (row,) = re.findall(rf"^\| \[{kind}\]\(#[a-z-]+\) \|(.*)\|$", PAGE, re.M)
    files, lines, stages = row.split("|")
    return int(files), int(lines), re.findall(r"`(\w+)`", stages)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_counts_files_lines_and_stages(kind: str, tmp_path: Path) -> None:
    added = blocks(section(kind))
    new = [
        line
        for block in added
        for line in block.body.splitlines()
        if not block.is_change or line.startswith("+")
    ]
    changed = copy(tmp_path, [kind])
    before, after = (
        {stage: fingerprint(stage, root) for stage in fingerprinted_stages(ROOT)}
        for root in (ROOT, changed)
    )
    stages = [s for s in sorted(before) if before[s] != after[s] and s not in PRESENTING]
    assert stated(kind) == (len({block.path for block in added}), len(new), stages)


def test_a_change_whose_place_is_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")
    with pytest.raises(AssertionError, match="has not exactly once"):
        apply_block(Block("a.py", True, " three\n+four\n"), tmp_path)
    apply_block(Block("a.py", True, " one\n+more\n-two\n"), tmp_path)
    assert (tmp_path / "a.py").read_text() == "one\nmore\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pipeline_runs_with_all_of_it(extended: Extended) -> None:
    """All stages by DVC: the page shows the new metric, and MLflow has it."""
    folder = extended.folder
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro"]):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(folder / "src"), "NCSN_LIVE": "0"}
        done = subprocess.run(
            words, cwd=folder, env=os.environ | own, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Coverage" in (folder / "reports" / "index.html").read_text()
    code = (
        "import json, mlflow; run = json.load(open('reports/mlflow_run.json'))['run_id'];"
        "client = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "print(json.dumps(client.get_run(run).data.metrics))"
    )
    logged = json.loads(run(folder, "-c", code).splitlines()[-1])
    metrics = read_metrics(folder / "reports" / "metrics.json")
    oracle = read_metrics(folder / "reports" / "oracle.json")
    assert logged["eval/coverage"] == metrics["eval/coverage"]
    assert logged["oracle/coverage"] == oracle["oracle/coverage"]
