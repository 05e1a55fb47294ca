"""The training noise: what reaches `train`, and the ladders that a training may be asked for."""

from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.builders.training_noise import check_ladder, training_noise
from ncsn.config.params import NoiseParams, checked_params
from ncsn.maths.ladder import geometric_sigmas

VALUES = read_yaml(Path(__file__).parents[2] / "params.yaml")


def _noise(training="continuous", sigma_max=1.0, num_levels=10):
    ends = {"sigma_max": sigma_max, "sigma_min": 0.01, "num_levels": num_levels}
    return NoiseParams(**ends, training=training, range_max=6.0, range_min=0.005)


def test_only_a_training_on_the_ladder_sees_the_ladder_move():
    moved = {"sigma_max": 2.0, "num_levels": 20}
    for training, model, sees in (
        ("ladder", "ncsnv2", True),
        ("continuous", "ncsnv2", False),
        ("ladder", "oracle", False),
    ):
        first, other = (
            training_noise(noise, model) for noise in (_noise(training), _noise(training, **moved))
        )
        assert (first != other) == sees, (training, model)


def test_a_continuous_training_reports_over_its_whole_range():
    noise = training_noise(_noise(), "ncsnv2")
    assert noise["range"] == [6.0, 0.005] and len(noise["sigmas"]) == 10
    assert (noise["sigmas"][0], noise["sigmas"][-1]) == (6.0, 0.005)


def test_a_ladder_is_refused_where_the_network_was_not_trained_for_it():
    continuous = training_noise(_noise(), "ncsnv2")
    check_ladder(continuous, geometric_sigmas(6.0, 0.005, 3).tolist())
    check_ladder(continuous, [0.3])
    with pytest.raises(UserError, match=r"noise.sigma_max \(value 7\).*0.005 to 6"):
        check_ladder(continuous, [7.0, 0.1])
    with pytest.raises(UserError, match=r"noise.sigma_min \(value 0.001\)"):
        check_ladder(continuous, [1.0, 0.001])
    fixed = training_noise(_noise("ladder"), "ncsn")
    check_ladder(fixed, geometric_sigmas(1.0, 0.01, 10).tolist())
    for other in (geometric_sigmas(1.0, 0.01, 9), geometric_sigmas(1.0, 0.02, 10)):
        with pytest.raises(UserError, match="dvc repro train"):
            check_ladder(fixed, other.tolist())
    check_ladder({"training": "none"}, [1e3, 1e-3])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.name": "ncsn"}, r"model.name \(value 'ncsn'\): must be 'ncsnv2'"),
        ({"noise.sigma_max": 7.0}, r"noise.sigma_max \(value 7.0\): must not be larger than"),
        ({"noise.sigma_min": 0.001}, r"noise.sigma_min \(value 0.001\): must not be smaller"),
        ({"noise.range_max": 0.004}, r"noise.range_max \(value 0.004\): must be larger than"),
    ],
)
def test_a_continuous_training_needs_a_range_around_the_ladder_and_a_network_for_it(
    changes, words
):
    base = {"noise.training": "continuous", "model.name": "ncsnv2"}
    checked_params(_with(base))
    checked_params(_with(base | {"model.name": "oracle"}))
    with pytest.raises(UserError, match=words):
        checked_params(_with(base | changes))


def _with(changes):
    values = {section: dict(content) for section, content in VALUES.items()}
    for dotted, value in changes.items():
        section, key = dotted.split(".")
        values[section][key] = value
    return values


def test_a_ladder_may_differ_by_rounding_and_by_no_more_at_any_level():
    sigmas = geometric_sigmas(1.0, 0.01, 10).tolist()
    trained = {"training": "ladder", "sigmas": sigmas}
    for level in range(10):
        for factor, fits in ((1 + 1e-9, True), (1 + 1e-5, False), (1 - 1e-5, False)):
            moved = [s * factor if i == level else s for i, s in enumerate(sigmas)]
            if fits:
                check_ladder(trained, moved)
                continue
            with pytest.raises(UserError, match="dvc repro train"):
                check_ladder(trained, moved)


def test_the_end_that_leaves_the_range_is_the_one_that_is_named():
    continuous = training_noise(_noise(), "ncsnv2")
    with pytest.raises(UserError, match=r"noise.sigma_min \(value 0.001\)"):
        check_ladder(continuous, [6.0, 0.001])  # the largest sigma is the end of the range


def test_a_ladder_with_fewer_of_the_same_levels_is_another():
    trained = {"training": "ladder", "sigmas": [1.0, 0.1, 0.01]}
    with pytest.raises(UserError, match="noise has 2 levels from 1 to 0.1, the checkpoint was"):
        check_ladder(trained, [1.0, 0.1])
