"""The model card of an export: what the network is, its metrics with their conditions, its use."""

from collections.abc import Iterator, Mapping

from ncsn.base import metric_names as keys
from ncsn.base.numbers import with_error
from ncsn.export.config import SAMPLES, ExportConfig

Numbers = Mapping[str, float | str]
PACKAGES = (
    "torch",
    "safetensors",
    "numpy",
    "pydantic",
    "ruamel.yaml",
    "tqdm",
    "threadpoolctl",
)
EXAMPLE = """\
import torch

from ncsn.export.load import load_export

trained = load_export(".")  # the folder of this file
x = torch.rand(4, *trained.image_shape)  # images in [0, 1] plus noise, (B, C, H, W)
level = torch.zeros(4, dtype=torch.int64)  # 0 is the noisiest: sigmas[0]
with torch.inference_mode():
    scores = trained.net(x, level)  # gradient of the log density, (B, C, H, W)
images = trained.draw(16, seed=7)  # uint8, (N, H, W, C)
"""
_HEAD = """\
---
license: mit
library_name: ncsn
tags: [score-based-model, unconditional-image-generation]
---
"""


def card_text(config: ExportConfig, metrics: Numbers, num_weights: int) -> str:
    """Returns README.md of an export.

    Args:
        config: of the export.
        metrics: of its samples and of the exact score, empty where they are not known.
        num_weights: of the network.
    """
    parts = [_HEAD + f"# {config.model.name} on {config.data}", _network(config, num_weights)]
    if metrics:
        parts += [f"![uncurated samples]({SAMPLES})", "*Uncurated samples.*", "## Metrics"]
        parts += [_table(metrics), _conditions(metrics)]
    else:
        parts += ["## Metrics", "None: those of this checkpoint were not known at the export."]
    parts += ["## Use", f"```python\n{EXAMPLE}```", _needs()]
    return "\n\n".join([*parts, "## Where it comes from", _made(config)]) + "\n"


def _network(config: ExportConfig, num_weights: int) -> str:
    channels, height, width = config.image_shape
    train, noise, sampler = config.train, config.noise, config.sampler
    return (
        "A noise-conditional score network (Song & Ermon 2019, arXiv 1907.05600): it gives the"
        " gradient of the log density of noisy images, from which annealed Langevin dynamics"
        f" draws images, here of {height}x{width}x{channels}.\n\n"
        "| | |\n|---|---|\n"
        f"| network | `{config.model.name}`, {config.model.base_channels} channels in the first"
        f" cascade, {num_weights:,} weights |\n"
        f"| training | {config.step:,} steps of {train.get('batch_size')} images of"
        f" `{config.data}`, averaged weights |\n"
        f"| ladder | {noise.num_levels} sigmas from {noise.sigma_max:g} to {noise.sigma_min:g} |\n"
        f"| sampler | `{sampler.name}`, epsilon {sampler.epsilon:g},"
        f" {sampler.steps_per_level} steps per level,"
        f" {'with' if sampler.final_denoise else 'without'} a last denoising step |"
    )


def _table(metrics: Numbers) -> str:
    head = "| | samples | exact score, same sampler | real images |\n|---|---|---|---|"
    return "\n".join([head, *_rows(metrics)])


def _rows(metrics: Numbers) -> Iterator[str]:
    for measure in keys.MEASURES:
        if measure.key in metrics:
            exact = _of_oracle(measure.key)
            floor = keys.matched(measure.key)
            cells = (
                _cell(metrics, measure.key, keys.stderr_key(measure.key), measure.spread),
                _cell(metrics, exact, keys.stderr_key(exact), _of_oracle(measure.spread)),
                _cell(metrics, floor, keys.std_key(floor), None),
            )
            title = f"{measure.title} ({measure.measured_on}, {measure.better} is better)"
            yield f"| {title} | {' | '.join(cells)} |"


def _of_oracle(key: str | None) -> str:
    return (key or "").replace("eval/", "oracle/")


def _cell(metrics: Numbers, key: str, error: str, spread: str | None) -> str:
    if key not in metrics:
        return "-"
    bar = metrics.get(error, metrics.get(spread or ""))
    return with_error(float(metrics[key]), None if bar is None else float(bar))


def _conditions(metrics: Numbers) -> str:
    lines = [
        f"{metrics[keys.FID_NUM_SAMPLES]} samples against {metrics[keys.NUM_REFERENCE]} real"
        f" images; features of `{metrics[keys.EXTRACTOR]}`, layer {metrics[keys.FEATURE_LAYER]}."
        " Numbers under other conditions cannot be compared with these.",
        "The bar of the Inception score is its spread over parts of the samples.",
    ]
    if keys.UNCERTAINTY_METHOD in metrics:
        lines.append(f"±: {metrics[keys.UNCERTAINTY_METHOD]}.")
    if keys.MATCHED_NUM_SUBSETS in metrics:
        lines.append(
            f"Real images: mean and spread of {metrics[keys.MATCHED_NUM_SUBSETS]} subsets of"
            " the other split, of as many images as were generated."
        )
    return " ".join(lines)


def _needs() -> str:
    return (
        "It needs Python 3.11, this package (`pip install --no-deps .` in a clone of it) and"
        f" {', '.join(f'`{name}`' for name in PACKAGES)}; neither DVC nor MLflow."
        " In a clone, `python pipeline/draw.py --from FOLDER --num 64 --out grid.png` draws a"
        " picture. The same seed gives the same images on the same kind of processor."
    )


def _made(config: ExportConfig) -> str:
    made = config.made
    changes = " with uncommitted changes" if made.changed else ""
    code = f"commit {made.commit}{changes}" if made.commit else "a folder without git"
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return f"Exported from {code}; {versions}. The weights' SHA-256 is {config.weights_sha256}."
