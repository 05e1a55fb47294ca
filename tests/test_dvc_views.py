"""What DVC shows of a run: a table that fits a terminal, charts, and images side by side."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from tiny import AUTHOR

from ncsn.base import metric_names as keys
from ncsn.base.records import HEADLINE, write_metrics
from ncsn.report.plots_page import PLOTS_PAGE, write_plots_page

ROOT = Path(__file__).parents[1]
CURVE = "step,loss\n1,9\n2,8\n"
LEVELS = "level,sigma,loss\n0,1,9\n1,0.1,8\n"
BARS = 'metric,value\n"network, 500 samples: FID (classifier, layer 128), a name of length",5\n'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's definitions with small results, in a repository of its own."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / ".dvc",
        tmp_path / ".dvc",
        ignore=shutil.ignore_patterns("cache", "tmp", "config.local"),
    )
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    reports = tmp_path / "reports"
    metrics = dict.fromkeys(HEADLINE, 5.592622325410219) | {keys.KID_MEAN: 0.1}
    write_metrics(reports / "metrics.json", metrics)
    for name in ("oracle", "reference", "toy"):
        write_metrics(reports / f"{name}.json", {f"{name}/number": 1.0})
    for folder in ("plots", "figures"):
        (reports / folder).mkdir()
    tables = {"training": CURVE, "validation": CURVE, "final_level_losses": LEVELS}
    tables |= {"least_level_losses": LEVELS, "frechet_distances": BARS, "precision_recall": BARS}
    for name, text in tables.items():
        (reports / "plots" / f"{name}.csv").write_text(text)
    for name in ("samples", "annealing"):
        Image.new("L", (8, 8)).save(reports / "figures" / f"{name}.png")
    return tmp_path


def dvc(project: Path, *words: str) -> str:
    """What a command prints on a terminal of 120 columns."""
    environment = {**os.environ, "COLUMNS": "120", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        ["dvc", *words], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_metrics_fit_a_terminal_and_plots_show_images_and_whole_labels(project: Path) -> None:
    lines = dvc(project, "metrics", "show").splitlines()
    assert len(lines) == 5 and max(map(len, lines)) <= 120
    assert sorted(lines[0].split()) == sorted(["Path", *HEADLINE])
    dvc(project, "plots", "show")
    page = (project / "dvc_plots" / "index.html").read_text()
    assert page.count("var spec =") == 4
    assert len(re.findall(r'<img src="[^"]*_(?:samples|annealing)\.png"', page)) == 2
    assert "a name of length" in page


@pytest.mark.timeout(600)
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
def test_plots_are_drawn_without_a_network(project: Path) -> None:
    write_plots_page(project / PLOTS_PAGE)
    dvc(project, "config", "--local", "plots.html_template", "tmp/plots.html")
    dvc(project, "plots", "show")
    page = (project / "dvc_plots" / "index.html").resolve()
    assert "https://cdn." not in page.read_text()
    options = ["--headless", "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
    wait = ["--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *options, *wait, page.as_uri()], capture_output=True, text=True, check=True
    )
    drawn = done.stdout.count('class="marks"')
    assert drawn == 4, f"{drawn} charts were drawn\n{done.stderr[-2000:]}"


EXPERIMENTS = {
    "half-the-epsilon": ("5.0e-05", "10", 5.592622325410219),
    "epsilon-digits-trial-7": ("2.0e-04", "5", 41.23456789),
}
STAGE = """
stages:
  evaluate:
    cmd: 'true'
    deps: [artifacts/samples]
    metrics: [reports/metrics.json: {cache: false}]
metrics: [reports/oracle.json, reports/reference.json, reports/toy.json]
params: [params.yaml]
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_experiments_fit_a_terminal(project: Path) -> None:
    (project / "dvc.yaml").write_text(STAGE)
    (project / ".gitignore").write_text("/artifacts/\n")
    (project / "artifacts").mkdir()
    params = (project / "params.yaml").read_text()
    for tool in (["add", "-A"], [*AUTHOR, "commit", "-qm", "published"]):
        subprocess.run(["git", *tool], cwd=project, check=True)
    for name, (epsilon, steps, fid) in EXPERIMENTS.items():
        changed = re.sub(
            r"(?m)(^sampler:\n(?:  .*\n)*?  epsilon: )\S+", rf"\g<1>{epsilon}", params
        )
        changed = re.sub(r"(?m)(?<=^  steps_per_level: )10\b", steps, changed, count=1)
        (project / "params.yaml").write_text(changed)
        (project / "artifacts" / "samples").write_text(name)
        write_metrics(project / "reports" / "metrics.json", dict.fromkeys(HEADLINE, fid))
        write_metrics(project / "reports" / "oracle.json", {"oracle/fid": fid})
        dvc(project, "exp", "save", "--force", "--name", name)
    recipe = re.search(r"\nexperiments:.*\n\t@?(dvc .*)\n", (ROOT / "Makefile").read_text())
    assert recipe
    table = dvc(project, *shlex.split(recipe[1].replace("$$", "$"))[1:])
    assert max(map(len, table.splitlines())) <= 120 and "…" not in table
    for shown in ("eval/fid", "eval/fid_stderr", "sampler.epsilon", "5e-05", *EXPERIMENTS):
        assert shown in table
    assert "oracle" not in table and "artifacts" not in table
    best, worst = (table.index(f"[{name}]") for name in EXPERIMENTS)
    assert best < worst  # by FID
