"""A small project in git and DVC: four quick stages, of which `train` can be slow or fail."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Runs = Callable[[], list[str]]
REPOSITORY = Path(__file__).parents[2]

STAGES = """
stages:
  prepare:
    cmd: exec python pipeline/prepare.py
    params: [data.name, data.path]
    deps: [pipeline/prepare.py]
    outs: ["${paths.train_images}"]
  train:
    cmd: exec python pipeline/train.py
    params: [train]
    deps: [pipeline/train.py, "${paths.train_images}"]
    outs: ["${paths.checkpoint}", "${paths.train_log}"]
  sample:
    cmd: exec python pipeline/sample.py
    params: [sampler, sample]
    deps: [pipeline/sample.py, src/scale.py, "${paths.checkpoint}"]
    outs: ["${paths.samples}", "${paths.sample_summary}"]
  evaluate:
    cmd: exec python pipeline/evaluate.py
    params: [evaluate]
    deps: [pipeline/evaluate.py, "${paths.samples}"]
    metrics:
      - ${paths.metrics}: {cache: false}
"""

# Every stage leaves a line in a file outside the project: what really ran.
HEAD = """
import json, os, pathlib, re, sys, time
def count(stage):
    with open(os.environ["TEST_RUNS"], "a") as file:
        file.write(f"{stage} {os.getpid()}\\n")
def param(key, section=""):
    text = pathlib.Path("params.yaml").read_text()  # YAML in the main tree, JSON in a workspace
    found = re.search(rf'\\b{section}\\b.*?\\b{key}"?: ([^\\s,]+)', text, re.DOTALL)
    return float(found[1])
def write(path, value):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(value))
"""

SCRIPTS = {
    "prepare": """
count("prepare")
write("artifacts/data/train.npz", 1.0)
""",
    "train": """
from ncsn.base.entry import entry
from ncsn.base.errors import Diverged, UserError
from ncsn.runtime.unfinished import work_folder

def main():
    count("train")
    if param("learning_rate") > 10:
        raise Diverged("training diverged by step 1: train/loss = nan")
    if param("learning_rate") > 5:
        raise UserError("train.learning_rate: too large for this test")
    steps, pause = int(param("num_steps")), float(os.environ.get("TEST_STEP_SEC", 0))
    with work_folder("train", ".work") as folder:
        log, saved = folder / "train_log.jsonl", folder / "step"
        begin = int(saved.read_text()) if saved.exists() else 0
        count(f"train_from_{begin}")
        rows = log.read_text().splitlines(keepends=True)[:begin] if log.exists() else []
        log.write_text("".join(rows))
        for step in range(begin + 1, steps + 1):
            time.sleep(pause)
            with open(log, "a") as file:
                file.write(json.dumps({"step": step, "val/loss": 1 / step}) + "\\n")
            whole = folder / "step.partial"  # it is killed at any moment
            whole.write_text(str(step))
            whole.replace(saved)
        write("artifacts/train/checkpoint.pt", [steps, param("learning_rate")])
        pathlib.Path("artifacts/train/train_log.jsonl").write_text(log.read_text())

entry(main)
""",
    "sample": """
sys.path.insert(0, "src")
from scale import SCALE
count("sample")
seed, num_samples = param("seed", "sample"), param("num_samples", "sample")
write("artifacts/sample/samples.npz", [SCALE, param("epsilon"), seed, num_samples])
counted = {"num_samples": 3, "network_evaluations_per_image": 7, "flops_per_evaluation": 0}
counted["execution"] = {"precision": "fp32", "compiled": "nothing"}
write("artifacts/sample/summary.json", counted)
""",
    "evaluate": """
count("evaluate")
scale, epsilon, *_ = json.loads(pathlib.Path("artifacts/sample/samples.npz").read_text())
write("reports/metrics.json", {"eval/fid": scale * epsilon})
""",
}


def git(folder: Path, *arguments: str) -> str:
    """Runs git with an author of its own; returns what it printed."""
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *author, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Returns the stages that have run since the last call, in order."""
    path = tmp_path / "runs.txt"
    monkeypatch.setenv("TEST_RUNS", str(path))

    def read() -> list[str]:
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line.split()[0] for line in lines]

    return read


@pytest.fixture
def project(settled: Path) -> Path:
    """The main tree, with one commit."""
    main = settled / "main"
    write_project(main)
    commit_all(main)
    return main


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Runs) -> Path:
    """A folder for projects, in which DVC and git see no settings of this machine."""
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("TEST_STEP_SEC", raising=False)
    (tmp_path / "gitconfig").write_text("[user]\nname = A\nemail = a@example.org\n")
    return tmp_path


def write_project(main: Path) -> None:
    """Writes the small project's files, as a download without git has them."""
    for name, text in SCRIPTS.items():
        _write(main / "pipeline" / f"{name}.py", HEAD + text)
    _write(main / "src" / "scale.py", "SCALE = 100\n")
    _write(main / "dvc.yaml", _paths_block() + STAGES)
    params = (REPOSITORY / "params.yaml").read_text()
    _write(main / "params.yaml", params.replace("warmup_steps: 60", "warmup_steps: 0"))
    _write(main / ".dvc" / "config", (REPOSITORY / ".dvc" / "config").read_text())
    _write(main / ".dvc" / ".gitignore", "/config.local\n/tmp\n/cache\n")
    _write(main / ".gitignore", (REPOSITORY / ".gitignore").read_text())


def commit_all(top: Path) -> None:
    """Makes a git repository of a folder, with one commit."""
    git(top, "init", "--quiet", "--initial-branch", "main")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "-m", "all")


def _paths_block() -> str:
    """The block `vars` of the project's own dvc.yaml."""
    text = (REPOSITORY / "dvc.yaml").read_text()
    return text[text.index("vars:\n") : text.index("stages:\n")]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(name="write_project")
def write_project_fixture() -> Callable[[Path], None]:
    """Writes the small project's files into a folder."""
    return write_project


@pytest.fixture(name="commit_all")
def commit_all_fixture() -> Callable[[Path], None]:
    """Makes a git repository of a folder."""
    return commit_all


@pytest.fixture(name="git")
def git_fixture() -> Callable[..., str]:
    """Runs git in a folder."""
    return git
