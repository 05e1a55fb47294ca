"""A classifier that has not learnt its labels is doubted, with the number."""

import pytest

from ncsn.evaluate.doubt import classifier_doubt


@pytest.mark.parametrize(
    ("accuracy", "guessing", "num_images", "words"),
    [
        (0.10, 0.11, 359, "10.0% of 359 held-out images correctly.*mean nothing"),
        (0.15, 0.11, 359, "mean nothing"),  # within three standard errors of guessing
        (0.97, 0.97, 1000, "mean nothing"),  # one class for nearly all
        (1.0, 1.0, 50, "mean nothing"),  # one class
        (0.5, 0.11, 359, "50.0%.*say little"),
        (0.79, 0.11, 359, "say little"),
    ],
)
def test_a_weak_classifier_is_doubted(accuracy, guessing, num_images, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(classifier_doubt(accuracy, guessing, num_images))


@pytest.mark.parametrize(
    ("accuracy", "guessing", "num_images"), [(0.98, 0.11, 359), (0.8, 0.5, 1000)]
)
def test_one_that_has_learnt_is_not(accuracy, guessing, num_images):
    assert classifier_doubt(accuracy, guessing, num_images) is None
