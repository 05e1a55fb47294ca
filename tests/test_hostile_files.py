"""Every reader of the pipeline's own files, given hundreds of broken ones: a value, or one line.

What is accepted goes on into the code behind the reader, which must then not fail either.
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_files import broken_bytes, broken_json, broken_npz, outcome
from hostile_run import SEED, write_run

from ncsn.base import metric_names as keys
from ncsn.base.records import NoiseRecord, read_log, read_metrics, read_record
from ncsn.base.yaml_file import read_yaml
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.advice import data_facts
from ncsn.config.params import PARAMS_FILE, ProjectParams, load_params
from ncsn.data.split import load_split
from ncsn.evaluate.classifier import Classifier, load_classifier, save_classifier
from ncsn.evaluate.evaluation import read_samples
from ncsn.evaluate.reference import read_reference, read_train_features
from ncsn.report.run.costs import stage_costs
from ncsn.report.run.inputs import read_inputs
from ncsn.report.run.notes import nearest_notes
from ncsn.report.run.page import cost
from ncsn.report.run.tables import metric_rows
from ncsn.report.run.write import plot_tables
from ncsn.report.sweep.inputs import read_exported
from ncsn.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ncsn.train.log import cut_back

ROOT = Path(__file__).parents[1]
Broken = Iterator[tuple[str, bytes]]


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> ProjectParams:
    """The project's params, every path in a temporary folder that holds all files of a run."""
    values, root = read_yaml(ROOT / PARAMS_FILE), tmp_path_factory.mktemp("run")
    params = load_params(*values, "paths", path=ROOT / PARAMS_FILE)
    places = params.paths.model_copy(
        update={name: str(root / path) for name, path in params.paths.model_dump().items()}
    )
    params = params.model_copy(
        update={
            "paths": places,
            "reference": params.reference.model_copy(update={"classifier_steps": 1}),
            "model": params.model.model_copy(update={"base_channels": 4}),
        }
    )
    write_run(params)
    return params


def _report(params: ProjectParams) -> Callable[[], Any]:
    """All that the report makes of its inputs, but the drawing."""

    def read() -> None:
        inputs = read_inputs(params.paths)
        rows = metric_rows(inputs.metrics, inputs.reference, "test", 64)
        plot_tables(inputs, params, rows)
        stage_costs(inputs), cost(inputs, params), nearest_notes(inputs.neighbours)

    return read


def _reference(params: ProjectParams) -> Callable[[], Any]:
    paths = params.paths

    def read() -> None:
        summary = json.loads(Path(paths.data_summary).read_text())
        reference = read_reference(paths.reference, params.reference, SEED, summary)
        read_train_features(paths.reference, reference, summary)
        load_classifier(reference.weights)

    return read


def _checkpoint(params: ProjectParams) -> Callable[[], Any]:
    def read() -> None:
        saved = load_checkpoint(params.paths.checkpoint)
        build_trained_net(saved.params, saved.image_shape, saved.ema, build_sigmas(params.noise))

    return read


def _trial(path: Path, make: Callable[[bytes], Broken], read: Callable[[], Any]) -> list[str]:
    """Puts each broken form in the place of a good file, reads, and puts the good one back."""
    good = path.read_bytes()
    assert outcome(read) == "value"
    found = []
    try:
        for what, content in make(good):
            path.write_bytes(content)
            begin = time.perf_counter()
            try:
                found.append(outcome(read, path, path.parent, Path("paths.checkpoint")))
            except Exception as error:
                raise AssertionError(f"{path.name}, {what}: {error!r}") from error
            assert time.perf_counter() - begin < 5, (path.name, what)
        path.unlink()
        for put in (path.mkdir, lambda: path.symlink_to(path.name), lambda: os.mkfifo(path)):
            put()
            found.append(outcome(read, path))
            assert found[-1] == "refused"
            path.rmdir() if path.is_dir() else path.unlink()
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(good)
    return found


def _json_forms(content: bytes) -> Broken:
    yield from broken_bytes(content)
    yield from broken_json(content)


def _npz_forms(content: bytes) -> Broken:
    yield from broken_bytes(content)
    yield from broken_npz(content)


JSON_OF_THE_REPORT = (
    "data_summary", "reference_summary", "training_noise", "sample_summary", "train_cost",
    "oracle_summary", "oracle_metrics", "metrics", "neighbours", "toy_summary",
)  # fmt: skip
NPZ_OF_THE_REPORT = ("samples", "trajectory", "inpainting", "baseline")


@pytest.mark.parametrize("name", JSON_OF_THE_REPORT)
def test_summaries_that_the_report_reads(params: ProjectParams, name: str) -> None:
    found = _trial(Path(getattr(params.paths, name)), _json_forms, _report(params))
    assert len(found) >= 30 and found.count("refused") >= 18


@pytest.mark.parametrize("name", NPZ_OF_THE_REPORT)
def test_arrays_that_the_report_reads(params: ProjectParams, name: str) -> None:
    found = _trial(Path(getattr(params.paths, name)), _npz_forms, _report(params))
    assert found.count("refused") >= 30


def test_the_training_log(params: ProjectParams, tmp_path: Path) -> None:
    path = Path(params.paths.train_log)

    def forms(content: bytes) -> Broken:
        yield from broken_bytes(content)
        lines = content.splitlines()
        for what, line in broken_json(lines[3], count=20):
            yield what, b"\n".join([*lines[:3], line, *lines[4:], b""])

    _trial(path, forms, _report(params))

    def cut() -> None:
        copy = tmp_path / "train_log.jsonl"
        copy.write_bytes(path.read_bytes())
        cut_back(tmp_path, 40)

    for what, content in forms(path.read_bytes()):
        (tmp_path / "train_log.jsonl").write_bytes(content)
        outcome(lambda: cut_back(tmp_path, 40), tmp_path), what


@pytest.mark.parametrize("name", ["train_images", "test_images"])
def test_splits(params: ProjectParams, name: str) -> None:
    path = Path(getattr(params.paths, name))
    found = _trial(path, _npz_forms, lambda: load_split(path))
    assert found.count("refused") >= 30


def test_samples(params: ProjectParams) -> None:
    path = Path(params.paths.samples)
    _trial(path, _npz_forms, lambda: read_samples(path))


@pytest.mark.parametrize("name", ["extractor.json", "reference.npz", "train_features.npz"])
def test_the_reference_folder(params: ProjectParams, name: str) -> None:
    path = Path(params.paths.reference) / name
    forms = _json_forms if path.suffix == ".json" else _npz_forms
    found = _trial(path, forms, _reference(params))
    if name != "extractor.json":  # their hashes stand in the key
        assert set(found) == {"refused"}


def test_damaged_checkpoints(params: ProjectParams) -> None:
    path = Path(params.paths.checkpoint)
    found = _trial(path, lambda content: broken_bytes(content, count=8), _checkpoint(params))
    assert found.count("refused") >= 15


def test_checkpoints_with_other_fields(tmp_path: Path) -> None:
    path, weights = tmp_path / "c.pt", {"w": torch.zeros(2)}
    described: dict[str, Any] = {"model": {}, "train": {}, "noise": {}}
    saved = Checkpoint(1, described, (1, 8, 8), weights, weights, {}, weights)
    save_checkpoint(path, saved)

    def forms(content: bytes) -> Broken:
        fields = torch.load(path, weights_only=True)
        others = [fields | {name: what} for name in fields for what in (None, [1, 2], {"a": 1})]
        less = [{key: fields[key] for key in fields if key != name} for name in fields]
        for changed in [*others, *less, fields | {"more": 1}, fields | {3: 1}, {}, [1, 2]]:
            stream = io.BytesIO()
            torch.save(changed, stream)
            yield str(changed)[:60], stream.getvalue()

    found = _trial(path, forms, lambda: load_checkpoint(path))
    # optimizer and execution may hold anything, and older checkpoints have no execution
    assert found.count("value") == 3


class Trap:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import pathlib; pathlib.Path('trap-was-sprung').touch()",))


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for zipped in (True, False):
        torch.save({"format": 1, "net": Trap()}, "c.pt", _use_new_zipfile_serialization=zipped)
        for read in (load_checkpoint, load_classifier):
            assert outcome(lambda read=read: read("c.pt"), Path("c.pt")) == "refused"
    assert not Path("trap-was-sprung").exists()


def test_what_to_do_about_a_damaged_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_bytes(b"PK\3\4 cut")
    with pytest.raises(ValueError, match="delete it and run `dvc repro train`"):
        load_checkpoint(tmp_path / "c.pt")


def test_classifiers(tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    save_classifier(path, Classifier((1, 8, 8), 3))
    found = _trial(
        path, lambda content: broken_bytes(content, count=12), lambda: load_classifier(path)
    )
    assert found.count("refused") >= 15


def test_exported_studies(tmp_path: Path) -> None:
    source = ROOT / "reports" / "sweeps" / "epsilon-digits"
    for name in ("study.json", "trials.csv"):
        (tmp_path / name).write_bytes((source / name).read_bytes())

    def read() -> None:
        study = read_exported(tmp_path)
        study.best(), study.complete(), study.source

    _trial(tmp_path / "study.json", _json_forms, read)
    _trial(tmp_path / "trials.csv", broken_bytes, read)


def test_the_summary_that_the_advisor_reads(params: ProjectParams) -> None:
    path = Path(params.paths.data_summary)
    found = _trial(path, _json_forms, lambda: data_facts(path, "digits"))
    assert found.count("refused") >= 18


def test_single_readers(params: ProjectParams) -> None:
    noise, metrics = Path(params.paths.training_noise), Path(params.paths.metrics)
    _trial(noise, _json_forms, lambda: read_record(noise, NoiseRecord))
    _trial(metrics, _json_forms, lambda: read_metrics(metrics, keys.FID_NUM_SAMPLES))
    log = Path(params.paths.train_log)
    _trial(log, broken_bytes, lambda: read_log(log))
