"""Every command that the report of a tiny study prints works as it is printed."""

import json
import shlex

import pytest
from tiny import TINY, output_of, tiny_project

SPEC = {
    "purpose": "p",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {
        "sampler.epsilon": {"type": "float", "low": 1e-5, "high": 1e-4, "log": True, "points": 2}
    },
    "sampler": {"name": "grid"},
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_a_report(tmp_path):
    main = tiny_project(tmp_path / "main")
    tiny = {k: v for k, v in TINY.items() if k.split(".")[0] not in ("base", "toy", "report")}
    budget = {"trials": 2, "hours": 1.0, "confirm": 0}
    sizes = {"digits": {"preset": "digits", "budget": budget, "fixed": tiny}}
    (main / "studies").mkdir()
    (main / "studies" / "mine.yaml").write_text(json.dumps({**SPEC, "sizes": sizes}))
    author = ("git", "-c", "user.name=t", "-c", "user.email=t@t")
    output_of(main, "git", "add", "-A")
    output_of(main, *author, "commit", "-qm", "study")
    sweep = ("python", "pipeline/sweep.py")
    output_of(main, *sweep, "run", "mine", "--no-tracking")
    output_of(main, *sweep, "report", "mine")
    folder = main / "reports" / "sweeps" / "mine-digits"
    page = (folder / "index.html").read_text()
    assert len(list((folder / "samples").glob("*.png"))) == 2
    assert output_of(main, "git", "rev-parse", "HEAD")[:10] in page
    (main / "sweeps.db").unlink()  # a fresh clone has none
    commands = json.loads((folder / "study.json").read_text())["commands"]
    assert len(commands) == 4
    for command in commands:
        assert command in page
        if command != "dvc repro":
            output_of(main, *shlex.split(command))
    assert "Running stage 'sample'" not in output_of(main, "dvc", "repro", "evaluate")
    output_of(main, *sweep, "confirm", "mine", "--top", "1", "--draws", "1")
    output_of(main, *sweep, "save", "mine", "--top", "1")
