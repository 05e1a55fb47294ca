"""What `gpu` does, as data: places with params of their own, and steps with what each one needs.

A place is a folder in which the project's own stages run: params.yaml is its own, library, stages
and dvc.yaml are links to the project's, so that no place keeps old code. What varies (epsilon,
steps per level, denoising) has a place for each value, which shares the files of data and network
with the place that it varies: no value is ever changed and forgotten.
"""

import functools
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ways

from ncsn.base.files import file_sha256
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE, load_params
from ncsn.data.fingerprint import data_fingerprint, weights_fingerprint
from ncsn.runtime.dag import declared_params, stage_table
from ncsn.runtime.fingerprints import fingerprint

ROOT = Path(__file__).resolve().parents[1]
NETWORK, SAMPLES = "artifacts/train/checkpoint.pt", "artifacts/sample/samples.npz"
DATA, REFERENCE = "artifacts/data/summary.json", "artifacts/reference/extractor.json"
METRICS = "reports/metrics.json"
SHARED = ("artifacts/data", "artifacts/reference", "artifacts/noise", NETWORK)
SECONDS = {"speed": 120.0, "data": 90.0, "evaluate": 40.0}  # at the papers' sizes, until measured
CHECKPOINT_SEC = 20.0  # between checkpoints: what a call that ends its time loses at most


@dataclass(frozen=True)
class Settings:
    """What the command line says of the work.

    `mnist` is the folder of the four IDX files, `cifar` an archive of x_train, y_train, x_test,
    y_test, `inception` a state dict up to layer 768; None leaves out the steps that need it.
    """

    small: bool
    device: str
    mnist: Path | None
    cifar: Path | None
    inception: Path | None
    num_steps: int
    num_samples: int
    ablation_samples: int
    repeats: int


@dataclass(frozen=True)
class Place:
    """A folder for stages: a preset, values over it, and perhaps the place that it varies."""

    name: str
    preset: str
    values: Mapping[str, Any]
    varies: str | None = None

    @property
    def trained(self) -> str:
        """The place whose data and network it takes: its own, or the one that it varies."""
        return self.varies or self.name


@dataclass(frozen=True)
class Step:
    """One piece of work.

    Attributes:
        name: the place and what is done there.
        place: name of the place; None for the benchmark, which is in none.
        scripts: stages of pipeline/ in their order; of the benchmark, the size.
        needs: files of the place that must be there.
        leaves: files of the place; the last is written last.
        work: FLOPs, by which the time is estimated, of a kind that `speed` measures.
        seconds: what comes on top of them.
        goes_on: whether a killed one goes on where it was.
    """

    name: str
    place: str | None
    scripts: tuple[str, ...]
    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    work: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    goes_on: bool = False

    @property
    def trains(self) -> bool:
        """Whether it takes whatever time there is."""
        return self.scripts == ("train",)

    def commands(self, settings: Settings, results: Path) -> list[list[str]]:
        """Returns the command lines, one after the other, to be run in the place."""
        if self.place is not None:
            return [[sys.executable, f"pipeline/{script}.py"] for script in self.scripts]
        words = [sys.executable, str(ROOT / "benchmarks" / "speed.py"), "--size", *self.scripts]
        words += ["--repeats", str(settings.repeats), "--results", str(results)]
        words += ["--device", "cuda" if settings.device == "auto" else settings.device]
        return [words + (["--inception", str(settings.inception)] if settings.inception else [])]


def places(settings: Settings) -> list[Place]:
    """Returns the places of both data sets, and those that vary the second."""
    common = {
        "base.device": settings.device,
        "base.checkpoint_every_sec": CHECKPOINT_SEC,
        "train.num_steps": settings.num_steps,
        "sample.num_samples": settings.num_samples,
    }
    if settings.small:
        common |= _SMALL
    found = []
    if settings.mnist:
        found.append(Place("mnist", "mnist", common | _source("mnist", settings.mnist)))
    if settings.cifar:
        values = common | _source("cifar10", settings.cifar) | _extractor(settings)
        found.append(Place("cifar10", "cifar10", values))
        for name, changes in VARIATIONS.items():
            changes = {"sample.num_samples": settings.ablation_samples, **changes}
            found.append(Place(f"cifar10-{name}", "cifar10", values | changes, "cifar10"))
    return found


# The paper's text has epsilon 2e-5 and its code twice that, T is 100, and nothing is denoised.
VARIATIONS: dict[str, dict[str, Any]] = {
    "as-published": {},
    "epsilon-1e-5": {"sampler.epsilon": 1e-5},
    "epsilon-2e-5": {"sampler.epsilon": 2e-5},
    "epsilon-8e-5": {"sampler.epsilon": 8e-5},
    "T-3": {"sampler.steps_per_level": 3},
    "T-10": {"sampler.steps_per_level": 10},
    "T-30": {"sampler.steps_per_level": 30},
    "denoised": {"sampler.final_denoise": True},
}
_SMALL: dict[str, Any] = {
    "data.num_train": 120,
    "data.num_test": 100,
    "reference.classifier_steps": 5,
    "model.base_channels": 4,
    "noise.num_levels": 2,
    "train.batch_size": 8,
    "train.log_every_steps": 3,
    "train.validate_every_steps": 100,
    "train.preview_every_steps": 100,
    "sampler.steps_per_level": 2,
    "sample.block_size": 20,
    "sample.num_trajectory_images": 2,
    "neighbours.num_samples": 2,
    "oracle.num_samples": 20,
    "evaluate.kid_subset_size": 20,
    "evaluate.kid_subsets": 5,
    "base.checkpoint_every_sec": 0.5,
}


def _source(name: str, path: Path) -> dict[str, Any]:
    path = path.resolve()
    return (
        {"data.root": str(path)} if path.is_dir() else {"data.name": "npz", "data.path": str(path)}
    )


def _extractor(settings: Settings) -> dict[str, Any]:
    if settings.inception is None:  # of the small trial alone
        return {"reference.extractor": "classifier", "reference.feature_layer": "128"}
    path = str(settings.inception.resolve())
    return {"reference.feature_layer": "768", "reference.weights_path": path}


def steps(settings: Settings) -> list[Step]:
    """Returns all steps in the order in which they should be done."""
    sizes = ["tiny"] if settings.small else ["digits", "mnist32", "mnist", "cifar10"]
    seconds = dict.fromkeys(SECONDS, 10.0) if settings.small else SECONDS
    found = [Step(f"speed-{size}", None, (size,), seconds=seconds["speed"]) for size in sizes]
    for place in places(settings):
        if not place.varies:
            found += _network(place, settings, seconds["data"])
        found += _images(place, settings, seconds["evaluate"])
    return found


def _network(place: Place, settings: Settings, seconds: float) -> Iterator[Step]:
    name, noise = place.name, "artifacts/noise/training_noise.json"
    splits = "artifacts/data/train.npz", "artifacts/data/test.npz"
    leaves = (*splits, DATA, noise, REFERENCE, "reports/reference.json")
    scripts = ("source", "prepare", "noise", "reference")
    yield Step(f"{name}-data", name, scripts, (), leaves, seconds=seconds)
    work = {"train": _flops(place, settings)["train"] * settings.num_steps}
    needs = (*splits, noise)
    yield Step(f"{name}-train", name, ("train",), needs, (NETWORK,), work, goes_on=True)


def _images(place: Place, settings: Settings, seconds: float) -> Iterator[Step]:
    name, leaves = place.name, (SAMPLES, "artifacts/sample/summary.json")
    work = {"sample": _flops(place, settings)["sample"]}
    yield Step(f"{name}-sample", name, ("sample",), (NETWORK,), leaves, work, goes_on=True)
    needs, leaves = (DATA, SAMPLES, REFERENCE), (METRICS,)
    yield Step(f"{name}-evaluate", name, ("evaluate",), needs, leaves, seconds=seconds)


def _flops(place: Place, settings: Settings) -> dict[str, float]:
    """FLOPs of a training step, and of all samples of a place."""
    flops, values = _flops_of("tiny" if settings.small else place.trained), place.values
    steps = values.get("sampler.steps_per_level", 100)
    evaluations = steps * values.get("noise.num_levels", 10) * values["sample.num_samples"]
    return {"train": flops["train"], "sample": flops["sample"] * evaluations}


@functools.cache
def _flops_of(size: str) -> dict[str, float]:
    return ways.flops_of(ways.SIZES[size])


def missing(step: Step, folder: Path) -> list[str]:
    """Returns the files that a step needs and its place does not have."""
    return [name for name in step.needs if not (folder / name).exists()]


def settled(step: Step, folder: Path) -> list[Any]:
    """Returns what decides the result of a step and cannot change during a call: params, code."""
    if step.place is None:
        files = sorted((ROOT / "benchmarks").glob("*.py"))
        code = [fingerprint(stage, ROOT) for stage in ("train", "sample", "evaluate")]
        return [step.name, [file_sha256(file) for file in files], code]
    table, params = stage_table(folder), read_yaml(folder / PARAMS_FILE)
    parts: list[Any] = [step.name]
    for script in step.scripts:
        parts += [script, declared_params(table[script], params), fingerprint(script, folder)]
    return parts + (_users_files(folder) if "source" in step.scripts else [])


def step_key(step: Step, folder: Path, parts: list[Any]) -> str:
    """Returns what decides the result of a step: also the content of what it needs.

    Samples of a training that has gone on since have another key, and so are drawn again.

    Args:
        step: any.
        folder: in which it runs.
        parts: what `settled` gives.
    """
    contents = [[name, _sha256(folder / name)] for name in step.needs]
    return hashlib.sha256(json.dumps([parts, contents], sort_keys=True).encode()).hexdigest()[:32]


def _users_files(folder: Path) -> list[Any]:
    """Fingerprints of images and weights that lie outside, as the stage `source` takes them."""
    params, memory = load_params("data", "reference", path=folder / PARAMS_FILE), folder / ".work"
    data = data_fingerprint(params.data, memory / "data.json")
    return [data, weights_fingerprint(params.reference, memory / "weights.json")]


def _sha256(path: Path) -> str:
    status = path.stat()
    known = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    if known not in _HASHES:
        _HASHES[known] = file_sha256(path)
    return _HASHES[known]


_HASHES: dict[tuple[int, ...], str] = {}  # a network of half a gigabyte is looked at once
