"""Verdicts over planted numbers, and the command over a project with planted results."""

import json
import runpy
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_results import plant_results, project_files

from ncsn.base.numbers import with_error
from ncsn.base.records import read_metrics
from ncsn.base.yaml_file import read_yaml
from ncsn.config.preset import apply_preset, write_values
from ncsn.verify.published import Number, read_published
from ncsn.verify.verdicts import CONFIDENCE, verdicts

ROOT = Path(__file__).parents[2]
PUBLISHED = Path("reports/published.yaml")
Ended = tuple[int, str, str]


@pytest.fixture
def verify(tmp_path: Path, monkeypatch, capsys) -> Callable[..., Ended]:
    """Runs the command in a project that has results, and a file without published runs."""
    monkeypatch.chdir(project_files(tmp_path / "project"))
    plant_results(Path())
    text = (ROOT / PUBLISHED).read_text()
    PUBLISHED.write_text(text[: text.index("\nruns:")] + "\nruns: {}\n")

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["verify.py", *words])
        with pytest.raises(SystemExit) as ending:
            runpy.run_path(str(ROOT / "pipeline" / "verify.py"), run_name="__main__")
        return int(ending.value.code or 0), *capsys.readouterr()

    return run


def _edit(old: str, new: str) -> None:
    text = PUBLISHED.read_text()
    assert text.count(old) == 1, old
    PUBLISHED.write_text(text.replace(old, new))


def _outcomes(here: dict[str, Number], there: dict[str, Number]) -> list[str]:
    return [verdict.outcome for verdict in verdicts(here, there)]


def _draw(rng: np.random.Generator, shift: float = 0) -> dict[str, Number]:
    """A run: each number moves with the run, and with its samples."""
    values = shift + 0.3 * rng.normal(size=9) + 0.4 * rng.normal(size=9)
    return {f"eval/{i}": Number(value=v, stderr=0.4, spread=0.3) for i, v in enumerate(values)}


def test_a_faithful_rerun_is_reproduced_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    passed = [
        "not reproduced" not in _outcomes(_draw(rng), _draw(rng)) for _ in range(1000)
    ]  # 9 independent numbers
    assert CONFIDENCE - 0.02 < np.mean(passed) < CONFIDENCE + 0.02


def test_another_thing_is_not_reproduced() -> None:
    rng = np.random.default_rng(0)
    assert all("not reproduced" in _outcomes(_draw(rng, 4.0), _draw(rng)) for _ in range(100))


def test_the_tolerance_is_what_is_known_of_a_number() -> None:
    one, other = Number(value=1.0), Number(value=1.5)
    assert _outcomes({"a": one}, {"a": one}) == ["same"]
    assert _outcomes({"a": other}, {"a": one}) == ["no tolerance"]
    assert _outcomes({}, {"a": one}) == ["not here"]
    bar, wide = Number(value=1.0, stderr=0.01), Number(value=1.0, spread=0.5)
    assert _outcomes({"a": other}, {"a": bar}) == ["not reproduced"]
    assert _outcomes({"a": other}, {"a": wide}) == ["reproduced"]
    (verdict,) = verdicts({"a": other}, {"a": Number(value=1.0, stderr=3.0, spread=4.0)})
    assert verdict.allowed == pytest.approx(1.95996 * (9 + 2 * 16) ** 0.5, rel=1e-5)


def test_a_run_is_published_and_reproduced(verify) -> None:
    status, out, _ = verify()
    assert status == 0 and out.startswith("digits: no run of it is published")
    comments = PUBLISHED.read_text().count("#")
    assert verify("--update")[:2][0] == 0
    assert verify("--update")[0] == 0  # over its own entry
    assert PUBLISHED.read_text().count("#") == comments
    metrics = read_metrics("reports/metrics.json")
    run = read_published().runs["digits"]
    assert run.numbers["eval/fid"].value == metrics["eval/fid"]
    assert run.numbers["eval/fid"].stderr == metrics["eval/fid_stderr_samples"]
    assert run.seeds == {"base.seed": 1234, "train.seed": None, "sample.seed": 1234}
    status, out, error = verify()
    assert (status, error) == (0, "")
    assert out.splitlines()[-1] == (
        f"reproduced: of {len(run.numbers)} numbers {len(run.numbers)} equal, 0 within their"
        " tolerance"
    )


def _shifted(key: str, errors: float) -> None:
    number = read_published().runs["digits"].numbers[key]
    new = number.value + errors * (number.stderr or number.value)
    _edit(f"{key}: {{value: {number.value}", f"{key}: {{value: {new}")


def test_numbers_that_moved_are_told_one_by_one(verify) -> None:
    verify("--update")
    _shifted("eval/kid_mean", 1.0)
    _shifted("floor/fid", 0.1)
    status, out, _ = verify()
    assert status == 0 and "1 within their tolerance, 1 that cannot be judged" in out
    _shifted("eval/fid", -9.0)
    status, out, error = verify()
    assert (status, error) == (1, "")
    assert out.splitlines()[-1].startswith("NOT reproduced: of")
    assert "1 beyond it (FID)" in out.splitlines()[-1]
    (row,) = [line for line in out.splitlines() if line.startswith("FID   ")]
    error = read_published().runs["digits"].numbers["eval/fid"].stderr
    assert row.endswith("not reproduced") and f"+{9 * error:.3g}" in row


def test_a_spread_widens_the_tolerance_and_stays(verify) -> None:
    verify("--update")
    _shifted("eval/fid", -9.0)
    assert verify()[0] == 1
    values = []
    for i, factor in enumerate((0.6, 1.0, 1.5)):
        shutil.copytree("reports", f"run{i}")
        metrics = json.loads(Path(f"run{i}/metrics.json").read_text())
        metrics["eval/fid"] *= factor
        values.append(metrics["eval/fid"])
        Path(f"run{i}/metrics.json").write_text(json.dumps(metrics))
    status, out, _ = verify("--spread", "run0", "run1", "run2", "--over", "base.seed 1 to 3")
    assert status == 0 and "spread of 1 numbers over 3 runs" in out
    run = read_published().runs["digits"]
    assert run.numbers["eval/fid"].spread == pytest.approx(statistics.stdev(values))
    assert run.numbers["eval/recall"].spread is None, "it did not vary"
    assert run.spread_over == "3 runs: base.seed 1 to 3"
    status, out, _ = verify()
    assert status == 0 and "spread over 3 runs: base.seed 1 to 3" in out
    verify("--update")
    assert read_published().runs["digits"].numbers["eval/fid"].spread == pytest.approx(
        run.numbers["eval/fid"].spread
    )


def test_other_seeds_are_told(verify) -> None:
    verify("--update")
    write_values({"train.seed": 7})
    plant_results(Path())
    status, out, _ = verify()
    assert status == 0 and out.endswith("\nother seeds: train.seed is 7 here, None there\n")


def test_papers_stand_in_the_same_output(verify) -> None:
    rows = [line for line in verify()[1].splitlines() if "arXiv" in line]
    assert len(rows) == len(read_published().papers)
    assert all("not run here" in row for row in rows)
    (row,) = [r for r in rows if r.startswith("cifar10 ") and " FID " in r]
    assert "25.32" in row and "50,000 samples" in row


def test_the_papers_number_stands_beside_ones_own(verify) -> None:
    apply_preset("cifar10")
    write_values({"reference.weights_path": "my/inception.pth"})  # a place decides nothing
    plant_results(Path())
    (row,) = [r for r in verify()[1].splitlines() if r.startswith("cifar10 ") and " FID " in r]
    metrics = read_metrics("reports/metrics.json")
    shown = with_error(metrics["eval/fid"], metrics["eval/fid_stderr_samples"])
    assert shown in row and "not run here" not in row


def _fresh_clone() -> None:
    shutil.rmtree("artifacts")


def _other_conditions() -> None:
    _edit("eval/fid_num_samples: 500", "eval/fid_num_samples: 400")


def _other_value() -> None:
    write_values({"train.num_steps": 100})


def _edited_since() -> None:
    write_values({"base.seed": 7})


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            _fresh_clone,
            "artifacts/data/train.npz is not here: it was not computed on this machine",
        ),
        (_edited_since, "base.seed is 7 in params.yaml, prepare last ran with 1234"),
        (
            _other_value,
            "From the nearest, 'digits', it differs in: train.num_steps is 100, not 1400",
        ),
        (_other_conditions, "digits: the numbers cannot be compared: published under"),
        (lambda: PUBLISHED.unlink(), "reports/published.yaml is missing"),
        (lambda: _edit("  digits:", "  digit:"), "no preset 'digit'; there are"),
        (lambda: _edit("spread_over: null", "spread_ovr: null"), "runs.digits.spread_ov"),
        (lambda: _edit("value: 25.32", "value: many"), "papers.0.value (value 'many'): must be"),
    ],
)
def test_what_cannot_be_compared_is_one_line(verify, fault: Callable[[], Any], told: str) -> None:
    verify("--update")
    fault()
    status, out, error = verify()
    assert (status, out) == (2, "") and error.count("\n") == 1 and told in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--spread", "a", "b", "c"], "--spread FOLDER... and --over WORDS belong together"),
        (["--over", "seeds"], "--spread FOLDER... and --over WORDS belong together"),
        (["--spread", "a", "b", "--over", "x"], "--spread: a spread needs at least three runs"),
        (["--spread", "a", "b", "c", "--over", "x"], "a/metrics.json is missing"),
        (["--update", "--spread", "a"], "not allowed with argument"),
    ],
    ids=" ".join,
)
def test_wrong_words_change_nothing(verify, words, told) -> None:
    verify("--update")
    before = PUBLISHED.read_bytes()
    status, out, error = verify(*words)
    assert (status, out) == (2, "") and told in error
    assert PUBLISHED.read_bytes() == before


def test_the_published_file_is_whole() -> None:
    published = read_published(ROOT / PUBLISHED)
    measured = read_yaml(ROOT / "reports" / "metrics.json")
    if "digits" in published.runs:  # what README shows is what is published
        assert published.runs["digits"].numbers["eval/fid"].value == measured["eval/fid"]
