"""One finished run, as a comparison reads it: the same whether MLflow, DVC or a study has it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Curve = Sequence[tuple[int, float]]  # pairs of step and value
CURVES = ("train/loss", "val/loss")  # what is laid over one another


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        name: as a person knows it.
        source: where it was read, in words.
        params: dotted keys of params.yaml and their values as text; of a trial, those that its
            study sets.
        metrics: numbers by the keys of metrics.json.
        texts: conditions of the metrics, hashes of the data, commit and machine, by key.
        curves: of the training, by key.
        samples: its first images, uint8, shape (N, H, W, C), C is 1 or 3, in the order in which
            they were drawn; None where they cannot be had.
        run_id: of MLflow, None elsewhere.
        experiment_id: of MLflow, None elsewhere.
        when: date of its end, ISO 8601; empty where nobody knows.
        draws: of a trial that was drawn several times, the values of a metric at each draw, for
            each training; `metrics` has their mean.
    """

    name: str
    source: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    texts: Mapping[str, str]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    samples: "np.ndarray | None" = None
    run_id: str | None = None
    experiment_id: str | None = None
    when: str = ""
    draws: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)

    def known(self, *keys: str) -> str | None:
        """Returns the first of `keys` that is a param, a text or a metric, as text."""
        for key in keys:
            if key in self.params:
                return self.params[key]
            if key in self.texts:
                return self.texts[key]
            if key in self.metrics:
                return f"{self.metrics[key]:.10g}"
        return None


def as_text(value: Any) -> str:
    """Returns a param as MLflow shows it: text as it is, all else as JSON (null, true, 2e-05)."""
    return value if isinstance(value, str) else json.dumps(value)
