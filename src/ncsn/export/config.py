"""config.json of an export: what the network, its ladder and its sampler are built of."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ncsn.base.errors import UserError
from ncsn.base.files import write_json
from ncsn.base.reading import read_text
from ncsn.base.records import NoiseRecord
from ncsn.config.params import ModelParams, NoiseParams, SampleParams, SamplerParams
from ncsn.config.sections.complaints import complaint
from ncsn.config.sections.kinds import Count, Section

FORMAT = 1
CONFIG, WEIGHTS, CARD, SAMPLES = "config.json", "model.safetensors", "README.md", "samples.png"
AGAIN = "export it again with `python pipeline/export.py`"


class Provenance(Section):
    """Where an export comes from.

    `commit` is None outside of git; `changed` says that the files differed from it. `versions` are
    those of Python and of the packages that decide numbers.
    """

    commit: str | None
    changed: bool
    versions: dict[str, str]


class ExportConfig(Section):
    """The file; `model`, `noise`, `sampler` and `sample` are the sections of params.yaml.

    Attributes:
        format: of the folder.
        data: name of the data set.
        image_shape: (C, H, W).
        step: training steps.
        weights_sha256: of the file of weights.
        trained_noise: the sigmas that the network was trained with, as the stage `noise` wrote.
        model: the network.
        train: how it was trained.
        noise: the ladder on which it is sampled.
        sampler: the chain that draws.
        sample: seed, block size and precision of the chain.
        made: where it comes from.
    """

    format: Literal[1]
    data: str
    image_shape: tuple[Count, Count, Count]
    step: int
    weights_sha256: str
    trained_noise: NoiseRecord
    model: ModelParams
    train: dict[str, Any]
    noise: NoiseParams
    sampler: SamplerParams
    sample: SampleParams
    made: Provenance

    def described(self) -> dict[str, dict[str, Any]]:
        """Returns what a checkpoint says of its network, as `build_trained_net` takes it."""
        noise = self.trained_noise.model_dump(exclude_unset=True)
        return {"noise": noise, "model": self.model.model_dump(), "train": self.train}


def write_config(path: Path, config: ExportConfig) -> None:
    """Writes config.json."""
    write_json(path, config.model_dump(mode="json", exclude_unset=True))


def read_config(folder: str | Path) -> ExportConfig:
    """Reads config.json of an export.

    Raises:
        Missing: there is none in the folder.
        UserError: it cannot be read, or a key is missing, unknown or out of range.
    """
    path = Path(folder) / CONFIG
    text = read_text(path, None)
    try:
        return ExportConfig.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "missing":
            raise UserError(f"{path}: {key}: missing; {AGAIN}") from None
        if not key:  # not JSON, or no object
            raise UserError(f"{path}: {problem['msg']}; {AGAIN}") from None
        raise UserError(f"{path}: {complaint(key, dict(problem))} Or {AGAIN}") from None
