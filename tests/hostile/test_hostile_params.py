"""Hostile params.yaml: it works, or one line says what is wrong; the file stays as it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from unprivileged import common_folder, denial

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import Params, checked_params, known_keys, load_params
from ncsn.config.preset import apply_preset, preset_names, write_values

from .hostile_values import VALUES, broken_files, places, replaced

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text()
PARAMS = read_yaml(ROOT / "params.yaml")
FILES = broken_files(TEXT)
LONGEST = 450  # characters of a message
# `paths` are checked where files are written
PLACES = [place for place in places(PARAMS) if place[0] != "paths" or len(place) == 1]
TAKEN = {  # of every hostile value, by the number of keys that may have it
    "nan": 0, "infinity": 0, "minus infinity": 0, "huge real": 0, "hugely negative": 0,
    "denormal": 8, "beyond 64 bits": 0, "one bit too many": 0, "control character": 0,
    "two lines": 0, "terminal code": 0, "lone surrogate": 0, "long": 0, "empty": 0, "blank": 0,
    "list": 0, "empty mapping": 0, "mapping": 0, "nested": 0, "huge": 3, "empty list": 1,
}  # fmt: skip


def refusal(values: Any) -> str | None:
    """Returns the message of the UserError, None when the values are taken."""
    try:
        checked_params(values)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", VALUES)
def test_a_hostile_value_is_taken_or_refused_in_one_line_with_its_key(name):
    taken = 0
    for place in PLACES:
        message = refusal(replaced(PARAMS, place, VALUES[name]))
        taken += message is None
        if message is not None and not (len(place) == 1 and isinstance(VALUES[name], dict)):
            assert message.startswith("params.yaml: ") and ".".join(place) in message
            assert "\n" not in message and len(message) < LONGEST, message
    assert taken <= TAKEN.get(name, len(PLACES) // 3)


def test_the_size_of_the_corpus():
    assert len(FILES) >= 55
    assert len(FILES) + len(VALUES) * len(PLACES) >= 3000


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused_in_one_line_and_stays(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_bytes(FILES[name])
    for read in (
        lambda: load_params("noise"),
        lambda: apply_preset("mnist"),
        lambda: write_values({"sampler.epsilon": 1e-4}),
    ):
        with pytest.raises(UserError) as caught:
            read()
        first, *others = str(caught.value).splitlines()
        assert first.startswith("params.yaml") and len(first) < LONGEST
        assert not others, others
        for advice in ("allow_duplicate_keys", "set_int_max_str_digits", "unicode string", "http"):
            assert advice not in first
    assert path.read_bytes() == FILES[name]
    assert os.listdir(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is no regular file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.symlink_to("nowhere"), "is missing"),
    ],
)
def test_what_is_no_file_is_named(make, words, tmp_path):
    make(tmp_path / "params.yaml")
    with pytest.raises(UserError, match=words):
        load_params("noise", path=tmp_path / "params.yaml")


def test_a_file_without_permission_is_named():
    with common_folder() as folder:
        path = Path(shutil.copy(ROOT / "params.yaml", folder))
        assert denial(lambda: load_params("noise", path=path)) is None
        path.chmod(0)
        found = denial(lambda: load_params("noise", path=path))
    assert found is not None and "no permission; `chmod u" in found


def test_a_mark_of_the_byte_order_and_merge_keys_are_read(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert load_params("noise", path=path).noise.num_levels == 10
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\n")
    assert read_yaml(path)["b"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("sampler.epsilon", "1e-4", "Write 0.0001, without quotes"),
        ("noise.sigma_min", "0,01", "Write 0.01, without quotes and with a point"),
        ("train.num_steps", "200000", "Write 200000, without quotes"),
        ("train.num_steps", 2e5, "Write 200000"),
        ("sampler.final_denoise", "yes", "Write true or false"),
        ("reference.feature_layer", 768, "must be"),
        ("noise.sigma_min", 1e-300, "must be at least 1e-06: fp32 numbers near 1"),
        ("noise.num_levels", 10**9, "must be at most 10000: each level has its own weights"),
        ("train.learning_rate", 1e9, "must be at most 100.0: Adam moves"),
        ("train.warmup_steps", 1401, "must be at most train.num_steps (1400)"),
        ("train.learning_rate_decay", "cosin", "must be"),
        ("train.level_sampling_power", -2.5, "must be at least -2.0: nearly all of a batch"),
        ("train.ema_length", 0.29, "must be at most 0.28: the plain mean"),
        ("train.ema_decay", 1 - 1e-15, "must be at most 0.9999999: fp32"),
        ("train.weight_power", float("nan"), "finite"),
        ("sweep.grace_sec", 9, "must be at least 10, twice sweep.heartbeat_sec"),
        ("evaluate.kid_subset_size", 501, "must be at most 500, sample.num_samples"),
        ("evaluate.prc_neighborhood", 500, "must be at most 499: less than sample.num_samples"),
        ("evaluate.floor_subsets", 19, "must be 0, for none, or at least 20: fewer subsets"),
        ("evaluate.error_groups", 1, "must be 0, for none, or at least 20: the spread of fewer"),
        ("evaluate.floor_subsets", 1001, "must be at most 1000: each costs as much"),
        ("evaluate.floor_images", 1, "must be"),
        ("oracle.num_samples", 99, "must be at most 99, oracle.num_samples"),
        ("neighbours.num_samples", 501, "must be at most 500, sample.num_samples"),
        ("sample.num_trajectory_images", 101, "must be at most 100, sample.block_size"),
        ("illustrate.num_completions", 10000, None),
        ("illustrate.num_inpainted", 10000, None),
        ("sampler.steps_per_level", 10**6, None),
        ("toy.epsilon", 4.0, "must be at most 3.99: a chain on one mode diverges"),
        ("track.experiment", "a\nb", "one line of visible characters"),
        ("sweep.storage", "postgresql//me:x", "must match"),
    ],
)
def test_the_message_names_the_nearest_bound_or_how_to_write_it(key, value, words):
    message = refusal(replaced(PARAMS, tuple(key.split(".")), value))
    assert words is None or (message is not None and words in message), message


def test_sizes_that_only_together_are_too_large_are_refused():
    many = replaced(PARAMS, ("noise", "num_levels"), 1000)
    message = refusal(replaced(many, ("sampler", "steps_per_level"), 100_000))
    assert message and "steps_per_level (value 100000): must be at most 10000 on 1000" in message
    completions = replaced(PARAMS, ("illustrate", "num_completions"), 1000)
    message = refusal(replaced(completions, ("illustrate", "num_inpainted"), 1000))
    assert message and "num_inpainted (value 1000): must be at most 100 with" in message
    steep = replaced(PARAMS, ("noise", "sigma_min"), 1e-6)
    message = refusal(replaced(steep, ("train", "weight_power"), 6.0))
    assert message and "train.weight_power (value 6.0): must keep sigma ** weight_power" in message


def test_sane_sizes_of_published_runs_pass():
    for key, value in {
        "noise.num_levels": 2311,
        "noise.sigma_max": 348.0,
        "train.num_steps": 2_000_000,
        "sample.num_samples": 50_000,
        "train.ema_decay": 0.9999,
        "data.image_size": 256,
        "train.adam_eps": 1e-3,
        "base.max_batch_size": 20_000,
    }.items():
        assert refusal(replaced(PARAMS, tuple(key.split(".")), value)) is None


def test_a_password_in_a_refused_address_is_masked():
    message = refusal(replaced(PARAMS, ("sweep", "storage"), "Postgresql://me:secret@host/db"))
    assert message and "secret" not in message and "me:***@host" in message


def test_a_value_that_is_shared_with_another_key_is_not_changed_along(tmp_path):
    path = tmp_path / "params.yaml"
    shared = TEXT.replace("range_max: 6.0 ", "range_max: &top 6.0 ")
    path.write_text(shared.replace("sigma_max: 20.0 ", "sigma_max: *top "))
    assert load_params("toy", path=path).toy.sigma_max == 6.0
    assert write_values({"noise.range_max": 7.0}, path) == ["noise.range_max: 6.0 -> 7.0"]
    assert load_params("toy", path=path).toy.sigma_max == 6.0


def test_a_missing_section_or_key_is_named_before_anything_is_written(tmp_path):
    path = tmp_path / "params.yaml"
    for text, words in (
        (TEXT.replace("\nnoise:", "\nnoise: null\nnoisy:"), "noise: must be there and hold keys"),
        (TEXT.replace("  epsilon: 1.0e-04 ", "  epsilom: 1.0e-04 "), "sampler.epsilon: missing"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            write_values({"sampler.epsilon": 2e-5}, path)
        assert path.read_text() == text


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([value for value in VALUES.values() if not isinstance(value, dict)])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(known_keys()) | st.text(max_size=8), ANYTHING, max_size=6))
@example({"noise": {}})
def test_any_mapping_gives_params_or_a_users_mistake(changes):
    values = PARAMS
    for key, value in changes.items():
        place = tuple(key.split("."))
        in_section = len(place) == 2 and isinstance(values.get(place[0]), dict)
        values = replaced(values, place if in_section else (key,), value)
    try:
        assert isinstance(checked_params(values), Params)
    except UserError as error:
        assert str(error).startswith("params.yaml: ")


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(key=st.sampled_from(known_keys()), value=SCALARS, preset=st.sampled_from(preset_names()))
def test_a_write_keeps_comments_or_every_byte(key, value, preset, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    try:
        write_values({key: value}, path)
    except UserError:
        assert path.read_text() == TEXT
    else:
        assert path.read_text().count("#") >= TEXT.count("#") - 1
    path.write_text(TEXT)
    apply_preset(preset, path)
    assert path.read_text().count("#") >= TEXT.count("#")


def run_script(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "pipeline" / f"{script}.py"), *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


BY_SCRIPT = [
    ("preset", ("mnist",), FILES["utf-16"]),
    ("noise", (), FILES["billion laughs"]),
    pytest.param("prepare", (), FILES["object"], marks=pytest.mark.slow),
    pytest.param("train", (), FILES["nested lists"], marks=pytest.mark.slow),
    pytest.param("sample", (), TEXT.replace("1.0e-04", ".nan").encode(), marks=pytest.mark.slow),
    pytest.param("report", (), FILES["list in itself"], marks=pytest.mark.slow),
    pytest.param("advise", (), FILES["git lfs pointer"], marks=pytest.mark.slow),
    pytest.param("sweep", ("list",), b"", marks=pytest.mark.slow),
    pytest.param(
        "sweep", ("run", "epsilon"), FILES["four hundred digits"], marks=pytest.mark.slow
    ),
    pytest.param("ui", (), FILES["duplicate section"], marks=pytest.mark.slow),
]


@pytest.mark.parametrize("script, arguments, content", BY_SCRIPT)
def test_every_script_ends_with_2_and_one_line(script, arguments, content, tmp_path):
    (tmp_path / "params.yaml").write_bytes(content)
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    done = run_script(tmp_path, script, *arguments)
    if (script, arguments) == ("sweep", ("list",)) and done.returncode == 0:
        return  # needs no params
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["params.yaml", "studies"]
    assert (tmp_path / "params.yaml").read_bytes() == content
