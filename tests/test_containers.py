"""The workflow, the Dockerfile and the devcontainer call what the Makefile has."""

import json
import re
from pathlib import Path

import pytest

from ncsn.base.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
FILES = ("Dockerfile", ".github/workflows/ci.yml", ".devcontainer/devcontainer.json")


@pytest.mark.parametrize("name", FILES)
def test_every_target_that_is_called_is_there(name):
    text = re.sub(r"(?m)^\s*#.*$", "", (ROOT / name).read_text())
    called = set(re.findall(r"\bmake\"?,? \"?([a-z-]+)", text))
    made = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert called and called <= made


def test_the_workflow_runs_checks_and_tests_on_every_python_that_is_promised():
    job = read_yaml(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]
    runs = [step["run"].split()[:2] for step in job["steps"] if "run" in step]
    assert runs == [["make", name] for name in ("setup", "check", "test", "docs")]
    least = re.search(r'requires-python = ">=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    assert least and least[1] == min(job["strategy"]["matrix"]["python"])


def test_the_container_takes_no_state_of_this_machine_along():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", ".dvc/cache", ".work", "artifacts", "mlartifacts", "raw"} <= set(ignored)
    config = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert config["postCreateCommand"].startswith("make setup")
