"""The line at the end of a run, and how a value is cut at its error."""

import pytest

from ncsn.base.headline import headline
from ncsn.base.numbers import with_error

METRICS = {
    "eval/fid": 5.5926,
    "eval/fid_stderr": 0.6266,
    "eval/fid_num_samples": 500,
    "eval/num_reference": 359,
    "eval/extractor": "classifier",
    "eval/feature_layer": "128",
    "matched_floor/fid": 0.7735,
    "matched_floor/fid_std": 0.1919,
}
ORACLE = {"oracle/fid": 1.0633, "oracle/fid_stderr": 0.5226}


def test_it_holds_the_value_what_it_is_compared_with_and_the_conditions():
    assert headline(METRICS, ORACLE) == (
        "FID 5.59 ± 0.63 (exact score 1.06 ± 0.52, floor 0.77 ± 0.19);"
        " 500 images against 359, classifier layer 128"
    )


def test_what_is_not_known_is_left_out():
    assert headline({"eval/fid": 5.5926}, {}) == "FID 5.593"


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.0764, 0.0996, "0.08 ± 0.10"),
        (9.97, 0.00096, "9.97000 ± 0.00096"),
        (-0.0048, 0.016, "-0.005 ± 0.016"),
        (12.0, 3.4, "12.0 ± 3.4"),
        (152.3, 12.3, "152 ± 12"),
        (5.0, 0.0, "5"),
    ],
)
def test_a_value_ends_with_the_digits_of_its_error(value, error, shown):
    assert with_error(value, error) == shown
