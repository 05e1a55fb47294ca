"""The workflow, the Dockerfile and the devcontainer call what the Makefile has."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ncsn.base.addresses import STORAGE
from ncsn.base.yaml_file import read_yaml
from ncsn.sweep import cli
from ncsn.sweep.launch.process import STOP_SEC
from ncsn.sweep.studies.plan import load_plan

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
    assert ".git" not in ignored  # a worker tells by it whether it has the code of its study
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    tops = {name.partition("/")[0] for name in tracked.splitlines()}
    assert not tops & set(ignored)  # a clone that lacks files counts as changed
    config = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert config["postCreateCommand"].startswith("make setup")


def test_the_manifest_of_a_job_runs_a_worker_with_the_address_from_a_secret():
    page = (ROOT / "docs" / "scale.md").read_text()
    (block,) = re.findall(r"(?ms)^```yaml\n(apiVersion.*?)^```$", page)
    job = YAML(typ="safe").load(block)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert "completions" not in job["spec"]  # with it Kubernetes would wait for idle workers
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "OnFailure"
    assert pod["terminationGracePeriodSeconds"] > STOP_SEC
    (container,) = pod["containers"]
    script, *words = container["command"][1:]
    assert container["command"][0] == "/ncsn/.venv/bin/python"  # as the Dockerfile makes it
    assert "WORKDIR /ncsn\n" in (ROOT / "Dockerfile").read_text() and (ROOT / script).exists()
    args = cli._parser().parse_args(words)
    load_plan(args.study, args.size, args.model, ROOT)
    assert words[0] == "worker"
    (secret,) = [entry for entry in container["env"] if entry["name"] == STORAGE]
    assert set(secret) == {"name", "valueFrom"} and "secretKeyRef" in secret["valueFrom"]
