"""Where a project may lie: strange names, larger repositories, every kind of checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.config.preset import write_values
from ncsn.sweep.results.winners import save_experiments
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.workspace import checked_source, open_workspace

ROOT = Path(__file__).parents[2]
VALUES = {"train.num_steps": 3, "sampler.epsilon": 1.0}
NAMES = {
    "umlaut": "Müllers Läufe",
    "no latin letter": "実験",
    "quotes": 'it\'s "mine"',
    "percent": "100%(here)s %20",
    "hash": "run #3; a=b, c",
    "dollar": "$HOME `y` \\n",
    "brackets": "[core] (b) & *",
    "newline": "two\nlines",
    "question": "why?",
    "dash": "-rf",
    "tilde": "~",
    "long": "/".join(["n" * 200] * 8),
}
EVERYTHING = '-Müller\'s "1" 100%(here)s #1; a=b, $HOME [core] why?'


def _trial(main: Path, *, allow_dirty: bool = False) -> float:
    """Runs one configuration as a study does; returns its FID."""
    checked_source(main, allow_dirty=allow_dirty)
    workspace = open_workspace(main, 0, allow_dirty=allow_dirty)
    outcome = reproduce_configuration(workspace, VALUES)
    workspace.claim.release()
    return outcome.metrics["eval/fid"]


def _dvc(main: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=main, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_trials_run_under_a_name_with_every_sign(settled, write_project, commit_all):
    """DVC's own writer of config.local knew no letter beyond ASCII."""
    main = settled / EVERYTHING
    write_project(main)
    commit_all(main)
    assert _trial(main) == 100


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_trials_run_and_are_saved_in_folders_of_any_name(settled, write_project, commit_all, name):
    main = settled / name
    write_project(main)
    commit_all(main)
    assert _trial(main) == 100
    assert save_experiments(main, {"one": VALUES}) == ["one"]


def test_a_project_in_a_larger_repository(settled, write_project, commit_all, runs):
    whole, main = settled / "whole", settled / "whole" / "teams" / "image models"
    write_project(main)
    (whole / "other.txt").write_text("")
    commit_all(whole)
    (whole / "other.txt").write_text("no business of the project")
    assert _trial(main) == 100
    runs()
    assert save_experiments(main, {"one": VALUES}) == ["one"]
    write_values(VALUES, main / "params.yaml")
    _dvc(main, "repro", "evaluate")
    assert runs() == []
    assert "one" in _dvc(main, "exp", "list", "--name-only")
    (main / "src" / "scale.py").write_text("SCALE = 7\n")
    with pytest.raises(UserError) as error:
        checked_source(main, allow_dirty=False)
    assert str(error.value).splitlines()[1:-1] == [f"       {p}" for p in CHANGED]
    assert _trial(main, allow_dirty=True) == 7


CHANGED = ["params.yaml", "src/scale.py"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worktree", "shallow", "detached", "submodule", "link", "hook"])
def test_every_kind_of_checkout(project, git, runs, monkeypatch, kind):
    place = project.parent / "other place"
    (project / "notes").write_text("")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "two")
    if kind == "worktree":
        git(project, "worktree", "add", "--quiet", "--detach", str(place))
    elif kind == "shallow":
        git(project.parent, "clone", "--quiet", "--depth", "1", f"file://{project}", str(place))
    elif kind == "detached":
        git(project, "checkout", "--quiet", "--detach", "HEAD~1")
        place = project
    elif kind == "submodule":  # the project is one, and has one that decides nothing
        place.mkdir()
        git(place, "init", "--quiet")
        local = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"]
        git(place, *local, str(project), "inner")
        place = place / "inner"
        git(place, *local, str(project), "third_party")
        git(place, "commit", "--quiet", "-m", "with a submodule")
    elif kind == "link":
        place.symlink_to(project)
    else:
        place = project
        monkeypatch.setenv("GIT_DIR", str(project.parent / "nowhere"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(project.parent / "no index"))
    assert _trial(place) == 100
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.delenv("GIT_INDEX_FILE", raising=False)
    if kind == "submodule":  # no more than `dvc exp save` does
        with pytest.raises(UserError, match="DVC cannot save an experiment here"):
            save_experiments(place, {"one": VALUES})
    else:
        assert save_experiments(place, {"one": VALUES}) == ["one"]
    (place / "src" / "scale.py").write_text("SCALE = 7\n")
    assert _trial(place, allow_dirty=True) == 7


def test_line_endings_are_those_of_the_main_tree(project, git):
    """DVC hashes bytes: other line endings would be other sources."""
    git(project, "config", "core.autocrlf", "true")
    scale = project / "src" / "scale.py"
    scale.unlink()
    git(project, "checkout", "--", ".")
    assert scale.read_bytes() == b"SCALE = 100\r\n"
    for dirty in (False, True):
        checked_source(project, allow_dirty=dirty)
        workspace = open_workspace(project, int(dirty), allow_dirty=dirty)
        assert (workspace.root / "src" / "scale.py").read_bytes() == scale.read_bytes()


def _refusal(main: Path) -> str:
    with pytest.raises(UserError) as error:
        checked_source(main, allow_dirty=False)
    (line,) = str(error.value).splitlines()
    return line


def test_a_download_without_git_is_told_how_to_get_it(settled, write_project, git):
    main = settled / "main"
    write_project(main)
    start = "git init && git add -A && git commit -m start"
    assert _refusal(main).endswith(f"make it: {start}")
    subprocess.run(start, shell=True, cwd=main, check=True, capture_output=True)
    checked_source(main, allow_dirty=False)


def test_a_repository_without_a_commit_is_told_so(settled, write_project, git):
    main = settled / "main"
    write_project(main)
    git(main, "init", "--quiet")
    assert _refusal(main).endswith("make it: git add -A && git commit -m start")


def test_a_project_that_the_repository_around_it_does_not_hold(settled, write_project, commit_all):
    (settled / "whole").mkdir()
    (settled / "whole" / "other.txt").write_text("")
    commit_all(settled / "whole")
    write_project(settled / "whole" / "main")
    assert "params.yaml is in no commit of the git repository around it" in _refusal(
        settled / "whole" / "main"
    )


def test_sources_in_a_submodule_are_refused_by_name(project, git):
    git(project, "rm", "-r", "--quiet", "src")
    local = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"]
    git(project, *local, str(project), "src")
    git(project, "commit", "--quiet", "-m", "src elsewhere")
    assert (
        _refusal(project) == f"{project / 'src'}: is a git submodule; a study's clones have none"
    )


@pytest.mark.parametrize("sign", [":", "{"])
def test_signs_that_no_study_can_live_with(settled, write_project, commit_all, sign):
    main = settled / f"a{sign}b"
    write_project(main)
    commit_all(main)
    assert f"cannot run in a path with '{sign}'" in _refusal(main)


def test_a_path_that_is_not_unicode(settled, write_project, commit_all):
    main = settled / os.fsdecode(b"caf\xe9")
    write_project(main)
    commit_all(main)
    assert "caf\\udce9: DVC cannot work in a path that this locale cannot read" in _refusal(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_owner_comes_with_gits_advice(project):
    subprocess.run(["chown", "-R", "12345", str(project)], check=True)
    advice = f"git config --global --add safe.directory {project}"
    assert _refusal(project).endswith(f"if you do: {advice}")
    subprocess.run(advice.split(), check=True)
    checked_source(project, allow_dirty=False)


def test_a_machine_without_git(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert "no such command; install it" in _refusal(project)


TRIAL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_places import _trial
print(_trial(Path.cwd()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"HOME": ""},
        {"HOME": "/nonexistent"},
        {"TMPDIR": "/dev/shm"},
        {"TMPDIR": "/nonexistent"},
        {"LANG": "de_DE.UTF-8", "LANGUAGE": "de"},
    ],
    ids=str,
)
def test_any_environment(settled, write_project, commit_all, env):
    main = settled / ("plain" if "LC_ALL" in env else "Müllers Läufe")
    write_project(main)
    text = (main / "params.yaml").read_text(encoding="utf-8")
    (main / "params.yaml").write_text(f"# für ε\n{text}", encoding="utf-8")
    commit_all(main)
    whole = {name: value for name, value in {**os.environ, **env}.items() if value}
    command = [sys.executable, "-c", TRIAL, str(Path(__file__).parent)]
    done = subprocess.run(command, cwd=main, env=whole, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.splitlines()[-1] == b"100.0"
