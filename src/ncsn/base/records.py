"""What the JSON files of the pipeline hold, checked once where they are read.

A file that was cut, edited or written by another version is refused where it is read, with the key
that is wrong, instead of by a KeyError later. Other keys than those named here are allowed.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import REPRO, read_json, read_jsonl, write_json
from ncsn.base.reading import remake_hint

LOG = "train_log.jsonl"  # of a training, in its folder of unfinished work
Finite = Annotated[float, Field(allow_inf_nan=False)]
AtLeast0 = Annotated[int, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]
Numbers = list[Finite]
Levels = Annotated[list[Annotated[Finite, Field(gt=0)]], Field(min_length=1)]
Execution = dict[str, str | int]  # how a network ran: precision, compiled, threads
_ROW = TypeAdapter(dict[str, Finite])
HEADLINE = (  # the columns of `dvc metrics show`, `dvc metrics diff` and `dvc exp show`
    keys.FID,
    keys.stderr_key(keys.FID),
    keys.matched(keys.FID),
    "oracle/fid",
    keys.PRECISION,
    keys.RECALL,
)
DETAILS = "details"
_DETAILS = TypeAdapter(list[dict[str, Any]])


class Record(BaseModel):
    """A JSON file of a known kind."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)


class SplitRecord(Record):
    """A split in the summary of the data."""

    count: Annotated[int, Field(ge=2)]
    shape: Annotated[list[AtLeast1], Field(min_length=3, max_length=3)]
    mean: Finite
    std: Finite
    channel_mean: Numbers
    channel_std: Numbers
    sha256: str


class PairwiseRecord(Record):
    """Distances between training images."""

    max: Finite
    median: Finite
    num_points: int


class DataRecord(Record):
    """The summary that `prepare` leaves."""

    name: str
    train: SplitRecord
    test: SplitRecord
    pairwise: PairwiseRecord


class FilesRecord(Record):
    """Size, two times and hash of each file in a folder, by name: what `source` remembers."""

    root: str
    files: dict[str, Annotated[list[int | str], Field(min_length=4, max_length=4)]]


class NoiseRecord(Record):
    """What `noise` leaves for the training."""

    training: Literal["ladder", "continuous", "none"]
    sigmas: Levels = []  # absent where nothing is trained
    range: Annotated[Numbers, Field(min_length=2, max_length=2)] = []


class SampleRecord(Record):
    """What `sample` counted."""

    num_samples: AtLeast1
    network_evaluations_per_image: AtLeast1
    flops_per_evaluation: AtLeast0
    execution: Execution = {}


class CostRecord(Record):
    """What a training costs."""

    flops_per_image: AtLeast0
    num_images: AtLeast0
    flops: AtLeast0
    execution: Execution = {}


class OracleRecord(Record):
    """The least reachable losses, level by level."""

    sigmas: Levels
    mean: Numbers
    standard_error: Numbers


class NearestRecord(Record):
    """Nearest training images in one space, one row per sample."""

    indices: Annotated[list[Annotated[list[AtLeast0], Field(min_length=1)]], Field(min_length=1)]
    distances: list[Annotated[Numbers, Field(min_length=1)]]
    held_out_distances: Annotated[Numbers, Field(min_length=1)]


class NeighboursRecord(Record):
    """What `neighbours` leaves."""

    extractor: str
    feature_layer: str
    num_train: int
    pixels: NearestRecord
    features: NearestRecord


class BestRecord(Record):
    """A trial among the best of a study."""

    number: AtLeast0
    objectives: dict[str, Finite | None]


class StudyRecord(Record):
    """The summary of a study (study.json)."""

    study: str
    model: str | None
    size: str | None
    axes: dict[str, dict[str, Any]]
    objectives: Annotated[dict[str, str], Field(min_length=1)]
    best: list[BestRecord]
    conditions: dict[str, list[Any]]
    importances: dict[str, dict[str, Any]]
    edges: list[Any]


class ReferenceKey(Record):
    """What a reference folder was made from, and the hashes of what it holds."""

    extractor: str
    feature_layer: str
    split: Literal["train", "test"]
    image_shape: list[int]
    seed: AtLeast0
    weights_sha256: str


def read_record(path: str | Path, kind: type[Record]) -> dict[str, Any]:
    """Returns the content of a JSON file as it stands, once it is of the kind.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or a key is missing or holds something else.
    """
    value = read_json(path)
    with _rule_broken_in(str(path)):
        kind.model_validate(value)
    return value


def write_metrics(path: str | Path, metrics: Mapping[str, Any]) -> None:
    """Writes metrics whole or not at all, those of HEADLINE first and the others as `details`.

    DVC's tables have a column for each number and none for what a list holds, so that they fit a
    terminal.
    """
    headline = {key: metrics[key] for key in HEADLINE if key in metrics}
    details = {key: value for key, value in metrics.items() if key not in headline}
    write_json(path, headline | {DETAILS: [details]})


def read_metrics(path: str | Path, *required: str) -> dict[str, float | str]:
    """Reads what `write_metrics` wrote, numbers and their conditions by key.

    Errors are those of `read_record`. A file without details is read as well.

    Args:
        path: of the file.
        required: keys that must be there.
    """
    metrics = read_json(path)
    with _rule_broken_in(str(path)):
        for details in _DETAILS.validate_python(metrics.pop(DETAILS, []), strict=True):
            metrics |= details
        numbers = {k: v for k, v in metrics.items() if k not in keys.TEXTS}
        _ROW.validate_python(numbers, strict=True)
    for key in required:
        if key not in metrics:
            raise UserError(f"{path}: {key} is missing{remake_hint(REPRO)}")
    for key, value in metrics.items():
        kind = str if key in keys.TEXTS else int if key.endswith(keys.COUNTS) else float | int
        if not isinstance(value, kind):
            found = type(value).__name__
            raise UserError(
                f"{path}: {key} must not be a value of type {found}{remake_hint(REPRO)}"
            )
    return metrics


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Reads the rows of a training log: finite numbers by key, `step` an integer.

    A last line without its newline, which is still being written, is left out.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or a line holds something else.
    """
    rows = read_jsonl(path)
    for number, row in enumerate(rows, 1):
        with _rule_broken_in(f"{path}, line {number}"):
            _ROW.validate_python(row, strict=True)
        if type(row.get("step")) is not int or row["step"] < 0:
            raise UserError(
                f"{path}, line {number}: step must be an integer from 0{remake_hint(REPRO)}"
            )
    return rows


@contextlib.contextmanager
def _rule_broken_in(where: str) -> Iterator[None]:
    """Turns pydantic's error into one line: the first broken rule and the file that breaks it."""
    try:
        yield
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        rule = f"must {problem['msg'].removeprefix('Input should ')}"
        rule = "is missing" if problem["type"] == "missing" else rule
        raise UserError(f"{where}: {key} {rule}{remake_hint(REPRO)}") from None
