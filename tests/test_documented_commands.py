"""Every command of README.md and docs/ that is meant to be run works, in a fresh clone.

The clone has tiny params and tiny studies. Commands that cannot run here stand under a comment of
the Markdown, `<!-- not run: REASON -->` for a block or `<!-- not run (COMMAND): REASON -->` for
the lines of the next block that begin so; each is a skipped test with that reason.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny import AUTHOR, environment, output_of, tiny_clone

ROOT = Path(__file__).parents[1]
# In this order, since other pages compare the study that sweeps.md runs.
# Each block begins with the params of the clone.
FIRST = ("README.md", "docs/sweeps.md")
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
NAMES = (*FIRST, *(name for name in DOCS if name not in FIRST))
BLOCK = re.compile(r"((?:^<!-- not run[^\n]*-->\n)*)^```sh\n(.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- not run(?: \(([^)]+)\))?: (.+) -->")
RESULTS = ("dvc.lock", "reports/metrics.json", "reports/oracle.json", "reports/reference.json")


class Command(NamedTuple):
    """A line of a block.

    Attributes:
        page: where it stands.
        block: number of its block on the page.
        text: the command, without its comment.
        reason: why it is not run, "" if it is.
    """

    page: str
    block: int
    text: str
    reason: str


def commands(page: str, text: str) -> Iterator[Command]:
    """The commands of a page."""
    for number, (marks, block) in enumerate(BLOCK.findall(text)):
        reasons = MARK.findall(marks)
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+(?:#.*)?$", "", re.sub(r"\s{2,}(?!#)", " ", line))
            if command and not command.startswith("#"):
                why = next((why for start, why in reasons if command.startswith(start)), "")
                yield Command(page, number, command, why)


ALL = [command for name in NAMES for command in commands(name, (ROOT / name).read_text())]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a run and, as the README has it, a second one after a change of params.yaml."""
    main = tiny_clone(tmp_path_factory.mktemp("documented") / "ncsn")
    for published in (main / "reports" / "sweeps").glob("epsilon-digits*"):
        shutil.rmtree(published)  # of more trials than the tiny study will have
    output_of(main, "git", *AUTHOR, "commit", "-qam", "no studies of epsilon")
    output_of(main, "make", "repro")
    output_of(main, "git", *AUTHOR, "commit", "-qm", "results", *RESULTS)
    epsilon = re.sub(r"(  epsilon: )\S+", r"\g<1>6.0e-05", (main / "params.yaml").read_text())
    (main / "params.yaml").write_text(epsilon)
    output_of(main, "dvc", "repro", "--quiet")
    output_of(main, "git", "checkout", "-q", "params.yaml", *RESULTS)
    output_of(main, "dvc", "repro", "--quiet")
    return main


def substitutes(main: Path) -> dict[str, str]:
    """What stands for the examples of the pages."""
    listed = "from mlflow import search_runs; print(search_runs(experiment_names=['ncsn'])"
    listed += "[['tags.mlflow.runName', 'run_id']].to_json(orient='values'))"
    uri = {**environment(), "MLFLOW_TRACKING_URI": f"sqlite:///{main}/mlflow.db"}
    done = subprocess.run(
        ["python", "-c", listed], cwd=main, env=uri, capture_output=True, text=True, check=True
    )
    (name, _), (_, other), *_ = json.loads(done.stdout)
    return {
        "digits FID 5.59": name,
        "11be12ce": other[:8],
        "--data mnist": "--data digits",
        "PATH": "artifacts/train/checkpoint.pt",
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", [name for name in NAMES if "```sh" in (ROOT / name).read_text()])
def test_the_commands_of_a_page(page: str, clone: Path) -> None:
    examples, block = substitutes(clone), -1
    for command in (one for one in ALL if one.page == page and not one.reason):
        if command.block != block:
            output_of(clone, "git", "checkout", "-q", "--", ".")
            block = command.block
        text = command.text
        for example, own in examples.items():
            text = text.replace(example, own)
        output_of(clone, "bash", "-c", f"set -e; {text}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [c for c in ALL if c.reason], ids=lambda c: f"{c.page}-{c.text}"
)
def test_commands_that_are_not_run_here(command: Command) -> None:
    pytest.skip(command.reason)


def test_marks_are_read_by_block_and_by_line() -> None:
    page = "<!-- not run (make b): slow -->\n```sh\nmake a   # x\nmake b\n```\n"
    page += "<!-- not run: a GPU -->\n```sh\nmake c \\\n    --d\n```\n```sh\nmake e\n```\n"
    found = [(one.block, one.text, one.reason) for one in commands("p", page)]
    assert found == [
        *((0, "make a", ""), (0, "make b", "slow")),
        *((1, "make c --d", "a GPU"), (2, "make e", "")),
    ]


def test_no_mark_is_idle() -> None:
    for name in NAMES:
        text = (ROOT / name).read_text()
        read = [mark for marks, _ in BLOCK.findall(text) for mark in MARK.findall(marks)]
        assert len(read) == text.count("<!-- not run"), name
        reasons = {one.reason for one in commands(name, text)}
        assert {why for _, why in read} <= reasons, name
