"""Numbers are written as params.yaml writes them, and read back as they were."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncsn.base.yaml_file import read_yaml, spelled, write_commented

SMALL = st.floats(-1e-3, 1e-3, exclude_min=True, exclude_max=True, allow_subnormal=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1.0e-04"),
        (4e-05, "4.0e-05"),
        (1.24e-05, "1.24e-05"),
        (-2.5e-7, "-2.5e-07"),
        (1e-14, "1.0e-14"),
        (1e-100, "1.0e-100"),
        (0.003, "0.003"),
        (0.0, "0.0"),
        (1e10, "10000000000.0"),
        (3, "3"),
        (True, "true"),
        ("1e-4", "'1e-4'"),
    ],
)
def test_spelling(tmp_path, value, text) -> None:
    write_commented(tmp_path / "a.yaml", {"x": spelled(value)})
    assert (tmp_path / "a.yaml").read_text() == f"x: {text}\n"


@settings(deadline=None, max_examples=30)
@given(SMALL)
def test_a_number_is_read_as_it_was(tmp_path_factory, value) -> None:
    path = tmp_path_factory.getbasetemp() / "spelled.yaml"
    write_commented(path, {"x": spelled(value)})
    found = read_yaml(path)["x"]
    assert found == value and math.copysign(1, found) == math.copysign(1, value)
