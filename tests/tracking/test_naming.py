"""Runs are called by what they are: data set, what differs from the preset, FID."""

from typing import Any

from ncsn.base.dotted import with_values
from ncsn.base.yaml_file import read_yaml
from ncsn.config.preset import preset_values
from ncsn.tracking.naming import description, differences, run_name, short_key
from ncsn.tracking.results import measured_and_constant


def params(preset: str, **changed: Any) -> dict[str, Any]:
    """Params of a preset, with keys changed whose dots are written as two underscores."""
    values = preset_values(preset) | {k.replace("__", "."): v for k, v in changed.items()}
    return with_values(read_yaml("params.yaml"), values)


def test_a_name_says_data_what_differs_and_fid() -> None:
    assert run_name(params("digits"), {"eval/fid": 5.592}) == "digits FID 5.59"
    assert run_name(params("digits"), {}) == "digits"
    changed = params("digits", sampler__epsilon=5e-5, model__name="ncsnv2")
    assert run_name(changed, {"eval/fid": 6.0}) == "digits model.name=ncsnv2 epsilon=5e-05 FID 6"
    assert run_name(changed, {}, "exp-1").startswith("exp-1: digits ")


def test_many_differences_are_counted() -> None:
    many = {"noise__num_levels": 5, "noise__sigma_max": 2.0, "train__num_steps": 9}
    name = run_name(params("digits", **many, sampler__epsilon=1e-5), {})
    assert name == "digits sigma_max=2 num_levels=5 +2 more"


def test_the_nearest_preset_of_the_data_set_counts() -> None:
    assert differences(params("mnist_cpu")) == ("mnist_cpu", {})
    near = differences(params("cifar10_ncsnv2", sampler__epsilon=9e-6))
    assert near == ("cifar10_ncsnv2", {"sampler.epsilon": 9e-6})
    assert differences(params("digits", data__name="npz")) == ("npz", {})


def test_a_short_key_names_one_key() -> None:
    assert short_key("sampler.steps_per_level") == "steps_per_level"
    assert short_key("sample.num_samples") == "sample.num_samples"


def test_the_description_has_numbers_conditions_and_origin() -> None:
    metrics = {"eval/fid": 5.592, "eval/fid_stderr": 0.627, "oracle/fid": 1.06}
    metrics |= {"eval/fid_num_samples": 500, "eval/num_reference": 359}
    origin = {"mlflow.source.git.commit": "abc", "mlflow.source.git.dirty": "True"}
    text = description(params("digits", sampler__epsilon=5e-5), metrics, origin)
    for part in (
        "FID 5.59 ± 0.63 (exact score 1.06)",
        "`sampler.epsilon: 5e-05`",
        "500 generated",
    ):
        assert part in text
    assert "Commit `abc` and changes" in text


def test_constants_are_texts_and_results_are_numbers() -> None:
    metrics = {
        "sample/seed": 7.0,
        "eval/fid_num_samples": 500,
        "eval/fid": 5,
        "eval/extractor": "x",
    }
    metrics["sample/network_evaluations_per_image"] = 100
    numbers, texts = measured_and_constant(metrics)
    assert numbers == {"eval/fid": 5.0, "sample/network_evaluations_per_image": 100.0}
    assert texts == {"sample/seed": "7", "eval/fid_num_samples": "500", "eval/extractor": "x"}
