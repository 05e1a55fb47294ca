"""What counts as a change of code: meaning, and of the modules alone that a stage reaches."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.runtime.dag import declared_params, fingerprinted_stages, stage_table
from ncsn.runtime.fingerprints import UNDECIDING, code_hash, fingerprint

ROOT = Path(__file__).parents[2]
SOURCE = '''
"""A module."""
import math

SCALE = 2

def loss(x: float) -> float:
    """Squares."""
    if x < 0:
        raise ValueError(f"x must be at least 0, got {x}")
    print("here")
    return SCALE * x**2  # doubled

def name(x: float) -> str:
    return f"x{x}"

def main() -> str:
    return f"{path}: written"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('    """Squares."""\n', ""),
        ("  # doubled", ""),
        ("return SCALE * x**2", "return (SCALE  *\n        x ** 2)"),
        ('f"x must be at least 0, got {x}"', 'f"{x} is below 0"'),
        ('    print("here")\n', ""),
        ('print("here")', 'notice(f"{x}")'),
        ('return f"{path}: written"', 'return f"{path} is there"'),
    ],
)
def test_what_decides_no_number_does_not_count(old, new):
    assert old in SOURCE
    assert code_hash(SOURCE.replace(old, new)) == code_hash(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2", "SCALE = 3"),
        ("SCALE = 2", "SCALE = 2.0"),
        ("x**2", "x**3"),
        ("x < 0", "x <= 0"),
        ("raise ValueError", "raise TypeError"),
        ("SCALE * x", "x * SCALE"),
        ("import math", "import cmath"),
        ("def loss(x", "def loss(y"),
        ('return f"x{x}"', 'return f"y{x}"'),
    ],
)
def test_what_may_decide_a_number_counts(old, new):
    assert old in SOURCE
    assert code_hash(SOURCE.replace(old, new)) != code_hash(SOURCE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project's code, to be edited."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("src", "pipeline"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    return folder


def _changed(copy: Path, file: str, old: str, new: str) -> set[str]:
    """Stages whose fingerprint an edit changes; the edit is taken back."""
    path, stages = copy / file, fingerprinted_stages(copy)
    text = path.read_text()
    assert old in text
    before = {stage: fingerprint(stage, copy) for stage in stages}
    path.write_text(text.replace(old, new, 1))
    after = {stage: fingerprint(stage, copy) for stage in stages}
    path.write_text(text)
    return {stage for stage in stages if after[stage] != before[stage]}


def test_another_constant_in_the_network_trains_again_and_what_uses_networks_follows(copy):
    changed = _changed(copy, "src/ncsn/maths/nets/norm.py", "tiny = 1e-5", "tiny = 1e-6")
    assert changed == {"train", "sample", "oracle", "illustrate"} | changed & {"track"}


def test_a_docstring_changes_nothing(copy):
    path = "src/ncsn/maths/losses.py"
    assert _changed(copy, path, '"""', '"""New words. ') == set()


NEW_KEY = """
import sys
from pathlib import Path

from ncsn.config.params import load_params

assert sys.argv[1] in load_params.__code__.co_filename
print(load_params("toy", path=Path(sys.argv[1]) / "params.yaml").toy.new_key)
"""


def test_a_new_key_of_the_section_toy_concerns_the_stage_toy_alone(tmp_path):
    for name in ("src", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    stages, table = fingerprinted_stages(tmp_path), stage_table(tmp_path)
    assert {"train", "report", "track", "toy"} <= set(stages)
    before, values = {s: fingerprint(s, tmp_path) for s in stages}, read_yaml(ROOT / "params.yaml")
    for name, new in (
        (
            "src/ncsn/config/sections/toy.py",
            '    new_key: Steps\n    """Steps of a new study."""\n\n',
        ),
        ("params.yaml", "  new_key: 7\n"),
    ):
        text = (tmp_path / name).read_text()
        old = "    density_steps:" if name.endswith(".py") else "  density_steps:"
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new + old))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    command = [sys.executable, "-c", NEW_KEY, str(tmp_path)]
    assert subprocess.check_output(command, env=environment, text=True) == "7\n"
    assert {s: fingerprint(s, tmp_path) for s in stages} == before
    changed = read_yaml(tmp_path / "params.yaml")
    rerun = {
        name
        for name, stage in table.items()
        if declared_params(stage, changed) != declared_params(stage, values)
    }
    assert rerun == {"toy"}


def test_the_code_of_the_toy_studies_concerns_the_stage_toy_alone(copy):
    assert _changed(copy, "src/ncsn/toy/mixing.py", "num_steps = len", "num_steps = 1 * len") == {
        "toy"
    }


def test_every_module_that_is_left_out_exists_and_has_a_reason():
    for name, reason in UNDECIDING.items():
        place = ROOT / "src" / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), name
        assert reason


def test_a_package_without_code_counts_too(copy):
    changed = _changed(copy, "src/ncsn/maths/__init__.py", "", "X = 1\n")
    assert {"train", "sample", "toy"} <= changed
