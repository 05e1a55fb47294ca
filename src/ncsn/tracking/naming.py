"""What a run is called, and what its description says. Imports no MLflow."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.dotted import flattened
from ncsn.config.params import known_keys
from ncsn.config.preset import preset_names, preset_values

MOST_NAMED = 3  # differences in a name; the description has all
_LONGEST = 90  # characters of a name: MLflow's tables cut at fewer
_SHOWN_ERRORS = (keys.FID, keys.KID_MEAN, keys.PRECISION, keys.RECALL)


class Differences(NamedTuple):
    """A configuration beside the preset that is nearest to it.

    Attributes:
        preset: its name; that of the data set where none is of this data set.
        values: by dotted key, as params.yaml has them.
    """

    preset: str
    values: dict[str, Any]


def differences(params: Mapping[str, Any]) -> Differences:
    """Returns what differs from the nearest preset of the same data set, by dotted key."""
    own, data = flattened(params), params["data"]["name"]
    found = []
    for name in preset_names():
        theirs = preset_values(name)
        if theirs["data.name"] == data:
            found.append((name, {k: own[k] for k in theirs if k in own and own[k] != theirs[k]}))
    if not found:
        return Differences(data, {})
    return Differences(*min(found, key=lambda pair: (len(pair[1]), len(pair[0]))))


def short_key(key: str) -> str:
    """Returns the last part of a dotted key where no other key ends so, else the whole key.

    >>> short_key("sampler.epsilon"), short_key("model.name")
    ('epsilon', 'model.name')
    """
    ends = Counter(known.rpartition(".")[2] for known in known_keys() if known[:4] != "toy.")
    end = key.rpartition(".")[2]
    return end if ends[end] == 1 else key


def run_name(params: Mapping[str, Any], metrics: Mapping[str, Any], experiment: str = "") -> str:
    """Returns what a person calls a run: its data set, what differs from the preset, its FID.

    Args:
        params: all sections of params.yaml.
        metrics: numbers by key; without a FID the name says none.
        experiment: of DVC, which comes first; empty for none.
    """
    preset, values = differences(params)
    shown = [f"{short_key(key)}={_text(value)}" for key, value in values.items()]
    if len(shown) > MOST_NAMED:
        shown = [*shown[: MOST_NAMED - 1], f"+{len(shown) - MOST_NAMED + 1} more"]
    words = [*([f"{experiment}:"] if experiment else []), preset, *shown]
    fid = [f"FID {metrics[keys.FID]:.3g}"] if keys.FID in metrics else []
    name = " ".join(words)
    return " ".join([name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...", *fid])


def description(
    params: Mapping[str, Any], metrics: Mapping[str, Any], origin: Mapping[str, str]
) -> str:
    """Returns the text, in Markdown, that MLflow shows above a run: numbers, origin, files.

    Args:
        params: all sections of params.yaml.
        metrics: numbers and their conditions by key.
        origin: the run's tags.
    """
    preset, values = differences(params)
    changed = ", ".join(f"`{key}: {_text(value)}`" for key, value in values.items())
    headline = " · ".join(_measured(metrics))
    where = ", ".join(str(metrics.get(key, "?")) for key in (keys.EXTRACTOR, keys.FEATURE_LAYER))
    counts = (metrics.get(keys.FID_NUM_SAMPLES, "?"), metrics.get(keys.NUM_REFERENCE, "?"))
    dirty = " and changes" if origin.get("mlflow.source.git.dirty") == "True" else ""
    commit = origin.get("mlflow.source.git.commit", "no commit")
    gpu = origin.get("env.gpu", "none")
    machine = gpu if gpu != "none" else origin.get("env.cpu", "?")
    lines = [
        f"**{headline or 'no metrics yet'}**",
        f"Preset `{preset}`, changed: {changed or 'nothing'}.",
        f"Features: {where}; {counts[0]} generated against {counts[1]} real images;"
        " ± is one standard error.",
        f"Commit `{commit}`{dirty} on {machine}, torch {origin.get('env.torch', '?')}.",
        "Under Artifacts: `report/index.html` is the report, `samples.png` the first samples, "
        "`params.yaml` and `dvc.lock` what made them.",
    ]
    return "\n\n".join(lines)


def _measured(metrics: Mapping[str, Any]) -> list[str]:
    """The headline numbers with their errors, and what the exact score and real images have."""
    shown = []
    for measure in keys.MEASURES:
        if measure.key in _SHOWN_ERRORS and measure.key in metrics:
            error = metrics.get(keys.stderr_key(measure.key))
            behind = "" if error is None else f" ± {error:.2g}"
            shown.append(f"{measure.title} {metrics[measure.key]:.3g}{behind}")
    beside = {"exact score": "oracle/fid", "floor": keys.matched(keys.FID)}
    found = [f"{name} {metrics[key]:.3g}" for name, key in beside.items() if key in metrics]
    return [shown[0] + (f" ({', '.join(found)})" if found else ""), *shown[1:]] if shown else []


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
