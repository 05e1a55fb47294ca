"""What counts as a change of code: meaning, and of the modules alone that a stage reaches."""

import shutil
from pathlib import Path

import pytest

from ncsn.runtime.dag import fingerprinted_stages
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


def test_a_new_key_of_the_section_toy_leaves_all_stages_but_the_presenting_ones(copy):
    path = "src/ncsn/config/sections/stages.py"
    new = "    new_key: int = 1\n    density_steps:"
    changed = _changed(copy, path, "    density_steps:", new)
    assert changed <= {"report", "track"}


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
