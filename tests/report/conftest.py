"""Synthetic results of a run, of any image size, number of channels and number of levels."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import ProjectParams, checked_params
from ncsn.config.paths import load_paths
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.pictures import TOY_STUDIES
from ncsn.report.run.toy import TOY_NUMBERS

ROOT = Path(__file__).parents[2]
TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)  # one grey pixel


def blobs(rng: np.random.Generator, count: int, size: int, channels: int) -> np.ndarray:
    """Soft coloured discs, uint8, shape (count, size, size, channels)."""
    axis = (np.arange(size) + 0.5) / size
    centre = rng.uniform(0.3, 0.7, (2, count, 1, 1, channels))
    radius = rng.uniform(0.1, 0.25, (count, 1, 1, channels))
    squared = (axis[:, None, None] - centre[0]) ** 2 + (axis[None, :, None] - centre[1]) ** 2
    return np.round(255 * np.exp(-squared / (2 * radius**2))).astype(np.uint8)


def split_summary(images: np.ndarray) -> dict[str, Any]:
    channels = images.reshape(-1, images.shape[-1]).astype(float)
    return {
        "count": len(images),
        "shape": list(images.shape[1:]),
        "mean": float(channels.mean()),
        "std": float(channels.std()),
        "channel_mean": channels.mean(0).tolist(),
        "channel_std": channels.std(0).tolist(),
        "sha256": f"{images.sum():064x}",
    }


def training_log(
    rng: np.random.Generator, num_steps: int, sigmas: np.ndarray, half_dim: float, validated: bool
) -> list[dict[str, float]]:
    least = half_dim * (0.15 + 0.8 / (1 + sigmas / sigmas[-1] / 8))
    log = []
    for step in range(50, num_steps + 1, 50):
        fade = np.exp(-step / (num_steps / 5))
        levels = least + (half_dim - least) * fade
        noisy = levels * rng.normal(1, 0.06, len(sigmas))
        line = {"step": step, training_names.TRAIN_LOSS: noisy.mean()}
        line |= {
            training_names.level_key(training_names.TRAIN_LOSS, i): v for i, v in enumerate(noisy)
        }
        log.append({name: float(value) for name, value in line.items()} | {"step": step})
        if validated and step % 250 == 0:
            line = {training_names.VAL_LOSS: levels.mean()}
            line |= {
                training_names.level_key(training_names.VAL_LOSS, i): v
                for i, v in enumerate(levels)
            }
            log.append({"step": step} | {name: float(value) for name, value in line.items()})
    return log


def results(
    size: int = 8,
    channels: int = 1,
    num_levels: int = 10,
    sigma_max: float = 1.0,
    validated: bool = True,
    num_samples: int = 120,
    num_oracle: int = 120,
    num_steps: int = 1500,
    extractor: str = "classifier",
) -> ReportInputs:
    """What the other stages would have left for the report."""
    rng = np.random.default_rng(7)
    train, real, samples = (blobs(rng, n, size, channels) for n in (160, 110, num_samples))
    sigmas = np.geomspace(sigma_max, 0.01, num_levels)
    kept = sigmas[np.linspace(0, num_levels - 1, min(num_levels, 12)).round().astype(int)]
    clean = samples[:8] / 255
    states = np.stack([rng.random(clean.shape), *(rng.normal(clean, sigma) for sigma in kept)])
    metrics = {
        keys.FID: 5.432,
        keys.FID_NUM_SAMPLES: num_samples,
        keys.KID_MEAN: 0.00213,
        keys.KID_STD: 0.0004,
        keys.ISC_MEAN: 7.91,
        keys.ISC_STD: 0.12,
        keys.PRECISION: 0.812,
        keys.RECALL: 0.655,
        keys.PIXEL_FRECHET: 0.4123,
        keys.NUM_REFERENCE: 110,
        keys.EXTRACTOR: extractor,
        keys.FEATURE_LAYER: "128" if extractor == "classifier" else "2048",
    }
    drawn = {keys.FID: 2.3, keys.FID_NUM_SAMPLES: num_oracle, keys.KID_MEAN: 0.0011}
    drawn |= {keys.PRECISION: 0.991, keys.RECALL: 0.84, keys.PIXEL_FRECHET: 0.31}
    metrics |= keys.oracle_metrics(drawn)
    reference = {keys.FLOOR_FID: 1.25, keys.FLOOR_KID_MEAN: -0.00011}
    reference[keys.FLOOR_FID_NUM_SAMPLES] = 160
    if extractor == "classifier":
        reference |= {keys.FLOOR_PIXEL_FRECHET: 0.26, keys.CLASSIFIER_ACCURACY: 0.978}
        reference |= {keys.GUESSING_ACCURACY: 0.11}
    return ReportInputs(
        data={
            "name": "digits",
            "train": split_summary(train),
            "test": split_summary(real),
            "pairwise": {"max": 5.61, "median": 3.02, "num_points": 160},
        },
        reference=reference,
        training_sigmas=sigmas.tolist(),
        log=training_log(rng, num_steps, sigmas, samples[0].size / 2, validated),
        samples=samples,
        train=train,
        real=real,
        trajectory=np.round(255 * states.clip(0, 1)).astype(np.uint8),
        trajectory_sigmas=np.array([0.0, *kept]),
        sampling={
            "num_samples": num_samples,
            "network_evaluations_per_image": 100 * num_levels,
            "flops_per_evaluation": 10**6,
            "block_size": 100,
            "seed": 1234,
            "execution": {"precision": "fp32", "compiled": "nothing"},
        },
        training_cost={
            "flops_per_image": 3 * 10**6,
            "num_images": 64 * num_steps,
            "flops": 192 * 10**6 * num_steps,
            "execution": {"precision": "bf16", "compiled": "norms", "threads": 2},
        },
        metrics=metrics,
        oracle={
            "sigmas": sigmas.tolist(),
            "mean": (samples[0].size / 9 * sigmas / (sigmas + 0.05) ** 2 / 5).tolist(),
            "standard_error": np.full(num_levels, 0.1).tolist(),
        },
        inpainting=inpainting(rng, real[:3]),
        baseline=rng.integers(0, 256, (9, *samples.shape[1:]), dtype=np.uint8),
        neighbours={
            "extractor": extractor,
            "feature_layer": metrics[keys.FEATURE_LAYER],
            "num_train": len(train),
            "pixels": nearest(rng, min(10, num_samples), len(train)),
            "features": nearest(rng, min(10, num_samples), len(train)),
        },
        previews={n: rng.integers(0, 256, (64, 256, 3), dtype=np.uint8) for n in (100, 200, 300)},
        toy=dict.fromkeys(TOY_NUMBERS, 0.25) | {"toy/objectives_dim": 3072},
        toy_figures=dict.fromkeys(TOY_STUDIES, TINY_PNG),
    )


def inpainting(rng: np.random.Generator, originals: np.ndarray) -> dict[str, np.ndarray]:
    """Halves filled in with noise, two completions of each."""
    known = np.zeros((2, *originals.shape[1:3]), dtype=bool)
    middle = originals.shape[2] // 2
    known[0, :, middle:], known[1, :, :middle] = True, True
    shape = (2, len(originals), 2, *originals.shape[1:])
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    filled = np.where(known[:, None, None, ..., None], originals[None, :, None], noise)
    return {"originals": originals, "known": known, "completions": filled}


def nearest(rng: np.random.Generator, num_samples: int, num_train: int) -> dict[str, Any]:
    """Neighbours of samples as the stage of that name writes them, chosen at random."""
    distances = np.sort(rng.uniform(1, 2, (num_samples, 6)))
    return {
        "indices": rng.integers(0, num_train, (num_samples, 6)).tolist(),
        "distances": distances.tolist(),
        "held_out_distances": rng.uniform(1, 2, num_samples).tolist(),
    }


@pytest.fixture
def make_results() -> Callable[..., ReportInputs]:
    return results


@pytest.fixture
def params(tmp_path: Path) -> ProjectParams:
    """The project's own params.yaml, its reports in `tmp_path`."""
    paths = load_paths(ROOT)
    own = ("report", "figures", "plots", "run_script")
    moved = {key: str(tmp_path / getattr(paths, key)) for key in own}
    sections = dict(checked_params(read_yaml(ROOT / "params.yaml")))
    return ProjectParams.model_construct(**sections, paths=paths.model_copy(update=moved))
