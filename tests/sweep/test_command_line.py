"""Every subcommand and option of pipeline/sweep.py: what it prints, writes and refuses.

Trials are a function's; one run goes through a worker's own process.
"""

import csv
import runpy
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import optuna
import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.study import load_study, opened_study
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import load_plan

sys.path.append(str(Path(__file__).parent))  # worker processes import the pipelines by name

import fake_pipeline  # noqa: E402

ROOT = Path(__file__).parents[2]
STUDY = """
purpose: How far the distance depends on ε.
objectives: {eval/fid: minimize}
scientific: [sampler.epsilon]
space:
  sampler.epsilon: {type: float, low: 1.0e-6, high: 1.0e-3, log: true}
sampler: {name: random}
sizes:
  digits: {preset: digits, budget: {trials: 4, hours: 1.0}}
"""
POINTS = (1e-4, 2e-4, 1e-6, 9e-4)  # in `diverges_sometimes` the third fails, the last diverges


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    error: str


@pytest.fixture
def sweep(capsys, monkeypatch):
    """Runs the command in this process."""

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sweep.py", *words])
        status = 0
        try:
            runpy.run_path(str(ROOT / "pipeline" / "sweep.py"), run_name="__main__")
        except SystemExit as ending:
            status = int(ending.code or 0)
        return Ended(status, *capsys.readouterr())

    return run


def _folder(place: Path) -> Path:
    (place / "studies").mkdir(parents=True)
    (place / "studies" / "mine.yaml").write_text(STUDY, encoding="utf-8")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place)
    return place


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A project whose study `mine` has two complete trials, a failed and a pruned one."""
    place = _folder(tmp_path_factory.mktemp("studied"))
    plan, sweep = load_plan("mine", "digits", root=place), _sweep(place)
    pipeline = fake_pipeline.FakePipeline(place / "journal", fake_pipeline.diverges_sometimes)
    store = Store(sweep, place)
    limits = Limits(len(POINTS), time.time() + 60)
    source = {"commit": "c" * 40, "dirty": False}
    study = opened_study(open_storage(sweep, place), plan, source)
    for epsilon in POINTS:
        study.enqueue_trial({"sampler.epsilon": epsilon}, user_attrs={"origin": "sampler"})
    take_trials(Sweep(plan, pipeline, store, limits, None), Stop())
    study._storage._backend.engine.dispose()
    return place


def _sweep(place):
    return load_params("sweep", path=place / "params.yaml").sweep


@pytest.fixture
def place(studied, tmp_path, monkeypatch):
    """A copy of that project, as the current folder."""
    shutil.copytree(studied, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A project with a study file and nothing else, as the current folder."""
    monkeypatch.chdir(_folder(tmp_path / "place"))
    return tmp_path / "place"


def test_list_names_files_and_what_has_run(place, sweep):
    ended = sweep("list")
    assert ended == (
        0,
        "mine (digits): How far the distance depends on ε.\n"
        "run: mine-digits: 2 complete, 1 pruned, 1 failed\n",
        "",
    )


def test_status_tells_progress_best_and_every_reason(place, sweep):
    ended = sweep("status", "mine", "--trials", "6")
    assert ended.status == 0 and ended.error == ""
    lines = ended.out.splitlines()
    assert lines[0].startswith("mine-digits: 4 of 6 trials ended (2 complete, 1 pruned, 1 failed)")
    assert "best: trial 0: eval/fid 4 at sampler.epsilon 0.0001" in lines
    assert "failed: trial 2: ZeroDivisionError: by accident" in lines
    assert "pruned: trial 3: diverged: sample: epsilon is too large" in lines


@pytest.mark.parametrize(
    ("words", "number", "epsilon"),
    [
        ([], 0, None),
        (["--best"], 0, None),
        (["--trial", "0"], 0, None),
        (["--trial", "1"], 1, "0.0001 -> 0.0002"),
    ],
)
def test_apply_writes_the_trial_and_says_what_changed(place, sweep, words, number, epsilon):
    before, comments = read_yaml("params.yaml"), Path("params.yaml").read_text().count("#")
    ended = sweep("apply", "mine", *words)
    assert ended.status == 0
    if epsilon is None:
        assert ended.out == f"params.yaml already has the values of trial {number}\n"
    else:
        assert ended.out == f"sampler.epsilon: {epsilon}\n"
        before["sampler"]["epsilon"] = 2e-4
    assert read_yaml("params.yaml") == before
    assert Path("params.yaml").read_text().count("#") == comments


def test_apply_leaves_what_is_no_axis_alone_unless_asked(place, sweep):
    text = Path("params.yaml").read_text()
    own = text.replace("num_steps: 1400", "num_steps: 1500").replace("seed: 1234\n", "seed: 99\n")
    own = own.replace("epsilon: 1.0e-04 ", "epsilon: 1e-4    ")
    Path("params.yaml").write_text(own)
    ended = sweep("apply", "mine", "--trial", "0")
    assert ended.out.splitlines() == [
        "params.yaml already has the values of trial 0",
        "the trial had other values of train.num_steps, sample.seed too; --all writes them",
    ]
    assert Path("params.yaml").read_text() == own
    ended = sweep("apply", "mine", "--trial", "1")
    assert ended.out.splitlines()[0] == "sampler.epsilon: 0.0001 -> 0.0002"
    changed = own.replace("epsilon: 1e-4    ", "epsilon: 2.0e-04 ")
    assert Path("params.yaml").read_text() == changed
    ended = sweep("apply", "mine", "--trial", "1", "--all")
    assert ended.out.splitlines() == ["train.num_steps: 1500 -> 1400", "sample.seed: 99 -> 1234"]
    assert Path("params.yaml").read_text() == text.replace("1.0e-04 ", "2.0e-04 ", 1).replace(
        "seed: 1234\n", "seed: 99\n", 1
    )


@pytest.mark.parametrize("number", ["2", "3", "4", "-1"])
def test_apply_refuses_a_trial_without_result(place, sweep, number):
    before = (place / "params.yaml").read_bytes()
    told = f"error: --trial (value {number}): must be a complete trial; there are 0, 1\n"
    assert sweep("apply", "mine", f"--trial={number}") == (2, "", told)
    assert (place / "params.yaml").read_bytes() == before


def test_apply_of_a_key_that_params_no_longer_has(place, sweep):
    study = load_study(open_storage(_sweep(place), place), "mine-digits")
    attrs = study.trials[1].user_attrs
    values = {**attrs["values"], "sampler.eps": 1}
    older = optuna.trial.create_trial(value=0.0, user_attrs={**attrs, "values": values})
    study.add_trial(older)
    before = (place / "params.yaml").read_bytes()
    ended = sweep("apply", "mine", "--all")
    assert ended.status == 2
    assert ended.error == (
        "error: params.yaml: sampler.eps: no such key. Did you mean 'sampler.epsilon'?\n"
    )
    assert (place / "params.yaml").read_bytes() == before


@pytest.mark.slow
def test_report_writes_a_page_and_a_table_of_all_trials(place, sweep):
    ended = sweep("report", "mine")
    assert (ended.status, ended.out) == (0, "reports/sweeps/mine-digits/index.html\n")
    page = place / "reports" / "sweeps" / "mine-digits"
    assert "How far the distance depends on ε." in (page / "index.html").read_text("utf-8")
    with open(page / "trials.csv", encoding="utf-8") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert states == ["complete", "complete", "failed", "pruned"]


@pytest.mark.parametrize("command", ["status", "apply", "report"])
def test_a_study_that_has_not_run(empty, sweep, command):
    ended = sweep(command, "mine")
    assert (ended.status, ended.out) == (2, "")
    assert ended.error.startswith("error: no study 'mine-digits' has been run; there are none")
    assert len(ended.error.splitlines()) == 1


def test_a_study_without_trials(empty, sweep):
    plan = load_plan("mine", "digits", root=empty)
    source = {"commit": "c" * 40, "dirty": False}
    opened_study(open_storage(_sweep(empty), empty), plan, source)
    assert sweep("status", "mine").out == ("mine-digits: 0 of 4 trials ended (none), 0 running\n")
    told = "error: mine-digits: no trial is complete within the budget\n"
    assert sweep("apply", "mine") == (2, "", told)
    assert sweep("report", "mine").status == 0
    assert sweep("list").out.endswith("run: mine-digits: none\n")


@pytest.mark.parametrize("command", ["run", "status", "apply", "save", "confirm", "report"])
def test_names_that_do_not_exist(place, git, sweep, command):
    git(place, "init", "--quiet")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "-m", "all")
    told = "error: no study 'mime' in studies/; there are mine. Did you mean 'mine'?\n"
    assert sweep(command, "mime") == (2, "", told)
    told = "error: studies/mine.yaml: no size 'digit'; there are digits. Did you mean 'digits'?\n"
    assert sweep(command, "mine", "--size", "digit") == (2, "", told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["runn", "mine"], "argument COMMAND: invalid choice: 'runn'"),
        (["run"], "the following arguments are required: STUDY"),
        (["run", "mine", "--worker"], "argument --workers: expected one argument"),
        (["run", "mine", "--workers", "0"], "value '0': must be a whole number from 1 to 256"),
        (["run", "mine", "--workers", "-2"], "value '-2': must be a whole number from 1 to 256"),
        (["run", "mine", "--workers", "9999"], "must be a whole number from 1 to 256"),
        (["run", "mine", "--workers", "two"], "value 'two': must be a whole number from 1 to 256"),
        (["run", "mine", "--trials", "1.5"], "value '1.5': must be a whole number from 1 to"),
        (["run", "mine", "--trial", "3", "--dirty"], "unrecognized arguments: --dirty"),
        (["status", "mine", "--fresh"], "unrecognized arguments: --fresh"),
        (["status", "mine", "--model", "oracel"], "invalid choice: 'oracel'"),
        (["apply", "mine", "--trial", "best"], "argument --trial: invalid int value: 'best'"),
        (["apply", "mine", "--trial", "1", "--best"], "not allowed with argument"),
        (["save", "mine", "--top", "0"], "value '0': must be a whole number from 1 to"),
        (["confirm", "mine", "--trainings", "0"], "value '0': must be a whole number from 1 to "),
        (["confirm", "mine", "--draws", "0"], "value '0': must be a whole number from 1 to 1000"),
        (["confirm", "mine", "--top", "-1"], "must be a whole number from 1 to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments(place, sweep, words, told):
    before = sorted(place.rglob("*"))
    ended = sweep(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.error.splitlines()[-1].startswith("sweep.py") and told in ended.error
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [[], *([c] for c in ("list", "run", "status", "report", "apply", "confirm", "save"))],
)
def test_help_needs_no_project(tmp_path, monkeypatch, sweep, command):
    monkeypatch.chdir(tmp_path)
    ended = sweep(*command, "--help")
    assert ended.status == 0 and ended.out.startswith("usage: sweep.py")


@pytest.mark.parametrize("command", ["list", "status", "run"])
def test_outside_of_a_project(tmp_path, monkeypatch, sweep, command):
    monkeypatch.chdir(tmp_path)
    ended = sweep(command, *(["mine"] if command != "list" else []))
    assert (ended.status, ended.out) == (2, "")
    assert "params.yaml is missing; run this command from the project's top folder" in ended.error


@pytest.mark.parametrize("command", ["run", "save", "confirm"])
def test_what_needs_a_commit_is_refused_without_one(place, sweep, command):
    ended = sweep(command, "mine")
    assert (ended.status, ended.out) == (2, "")
    assert "git init && git add -A && git commit" in ended.error
    assert len(ended.error.splitlines()) == 1


def test_a_broken_database_is_one_line(place, sweep):
    (place / "sweeps.db").write_text("nonsense")
    for command in ("status", "apply", "report"):
        ended = sweep(command, "mine")
        assert (ended.status, len(ended.error.splitlines())) == (2, 1)
        assert "is no SQLite database" in ended.error


@pytest.fixture
def real(project, git, monkeypatch):
    """The small project with the study, in git and DVC, as the current folder."""
    (project / "studies").mkdir()
    (project / "studies" / "mine.yaml").write_text(STUDY, encoding="utf-8")
    shutil.copy(ROOT / "pipeline" / "sweep.py", project / "pipeline")  # workers start with it
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "study")
    monkeypatch.chdir(project)
    return project


@pytest.mark.slow
def test_run_goes_on_begins_anew_and_refuses_another_study(real, sweep):
    ended = sweep("run", "mine", "--no-tracking", "--trials", "2", "--model", "oracle")
    assert ended.status == 0, ended.error
    lines = ended.out.splitlines()
    assert lines[0].startswith("no advised point: ")  # the small project has no images
    assert lines[1] == "present point: sampler.epsilon 0.0001"
    assert "mine-digits-oracle: How far the distance depends on ε." in lines
    assert "0 of 2 trials ended before; 1 workers" in lines
    report = "report: python pipeline/sweep.py report mine --size digits --model oracle"
    assert lines[-1] == report

    again = sweep("run", "mine", "--no-tracking", "--trials", "2", "--model", "oracle")
    assert "2 of 2 trials ended before; 1 workers" in again.out

    study = real / "studies" / "mine.yaml"
    study.write_text(STUDY.replace("1.0e-6", "2.0e-6"), encoding="utf-8")
    changed = sweep("run", "mine", "--no-tracking", "--trials", "2", "--model", "oracle")
    assert changed.status == 2 and len(changed.error.splitlines()) == 1
    assert "space.sampler.epsilon.low (value 2e-06)" in changed.error
    assert "start anew with --fresh" in changed.error

    fresh = sweep(
        *("run", "mine", "--no-tracking", "--trials", "1", "--model", "oracle", "--fresh")
    )
    assert fresh.status == 0, fresh.error
    assert "the earlier trials are kept as the study 'mine-digits-oracle.1'" in fresh.out
    assert "run: mine-digits-oracle.1: 2 complete" in sweep("list").out


@pytest.mark.slow
def test_save_and_confirm_use_the_best_trials(real, studied, sweep, runs):
    shutil.copy(studied / "sweeps.db", real)
    for beside in studied.glob("sweeps.db-*"):
        shutil.copy(beside, real)
    saved = sweep("save", "mine", "--top", "1")
    assert (saved.status, saved.error) == (0, "")
    assert saved.out == "mine-digits-0\n`dvc exp show` lists them\n"
    ran = runs()
    assert ran.count("train") == 1
    words = ("confirm", "mine", "--top", "1", "--draws", "2")
    confirmed = sweep(*words)
    assert (confirmed.status, confirmed.error) == (0, "")
    first = "trial 0 drawn again (sampler.epsilon 0.0001): eval/fid 0.01 +- 0, in the search "
    assert confirmed.out.startswith(first)
    assert runs() == ["sample", "evaluate"] * 2
    assert "2 fresh draws" in confirmed.out
    again = sweep(*words)
    assert again.status == 0 and "drawn again (" not in again.out and runs() == []
    (real / "src" / "scale.py").write_text("SCALE = 7\n")
    for command in ("save", "confirm", "run"):
        refused = sweep(command, "mine")
        assert refused.status == 2 and "src/scale.py" in refused.error


@pytest.mark.slow
def test_workers_without_a_driver_from_this_tree_and_from_a_repository(
    real, sweep, git, tmp_path, monkeypatch
):
    longer = ("--set", "train.num_steps=1500")
    opened = sweep("open", "mine", "--no-tracking", "--trials", "3", *longer)
    assert (opened.status, opened.error) == (0, "")
    told = "workers: python pipeline/sweep.py worker mine --size digits --no-tracking"
    assert told in opened.out.splitlines()
    words = ("worker", "mine", "--no-tracking")
    unknown = sweep("worker", "mime")
    assert (
        unknown.status == 2 and "no study 'mime-digits' has been run; there are" in unknown.error
    )

    commit = git(real, "rev-parse", "HEAD").strip()
    git(real, "commit", "--quiet", "--allow-empty", "-m", "later")
    (real / "studies" / "mine.yaml").unlink()  # a worker needs no study file
    other = sweep(*words)
    assert (other.status, len(other.error.splitlines())) == (2, 1)
    assert (
        f"runs the code of commit {commit[:12]}" in other.error and "--source URL" in other.error
    )
    nowhere = sweep(*words, "--source", "https://me:cANary7@127.0.0.1:9/x.git")
    assert (nowhere.status, len(nowhere.error.splitlines())) == (2, 1)
    assert "--source (value 'https://me:***@127.0.0.1:9/x.git')" in nowhere.error
    assert "cANary7" not in nowhere.error

    worked = sweep(*words, "--source", str(real))
    assert worked.status == 0, worked.error
    study = load_study(open_storage(_sweep(real), real), "mine-digits")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert {t.user_attrs["values"]["train.num_steps"] for t in study.trials} == {1500}
    (checkout,) = (real / ".work" / "sweep").glob("source-*/")
    assert git(checkout, "rev-parse", "HEAD").strip() == commit
    assert git(checkout, "remote") == ""
    used = sweep(*words, "--source", str(real))
    assert (used.status, used.error) == (0, "") and "trial" not in used.out

    git(real, "checkout", "--quiet", "--force", commit)
    assert sweep("open", "mine", "--no-tracking", "--trials", "4", *longer).status == 0
    image = tmp_path / "image"  # as a container has the project
    left_out = (ROOT / ".dockerignore").read_text().split()
    shutil.copytree(real, image, ignore=shutil.ignore_patterns(*left_out))
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", f"sqlite:///{real}/sweeps.db")
    monkeypatch.chdir(image)
    inside = sweep(*words)
    assert inside.status == 0, inside.error
    study = load_study(open_storage(_sweep(real), real), "mine-digits")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
