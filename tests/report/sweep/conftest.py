"""Synthetic studies: a known function of five axes, its costs, its reuse, its failures."""

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.results.export import export_study

AXES: dict[str, dict[str, Any]] = {
    "sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
    "sampler.steps_per_level": {"type": "int", "low": 1, "high": 30, "log": True},
    "noise.sigma_max": {"type": "float", "low": 0.3, "high": 20.0, "log": True},
    "noise.sigma_min": {"type": "float", "low": 0.003, "high": 0.1, "log": True},
    "noise.num_levels": {"type": "int", "low": 3, "high": 60, "log": True},
}
BEST = {
    "sampler.epsilon": 1e-4,
    "sampler.steps_per_level": 12,
    "noise.sigma_max": 4.0,
    "noise.sigma_min": 0.012,
    "noise.num_levels": 15,
}
WEIGHT = {"sampler.epsilon": 1.0, "sampler.steps_per_level": 0.7}
PRESENT = BEST | {"noise.sigma_max": 1.0, "sampler.steps_per_level": 10}
ADVISED = BEST | {"sampler.epsilon": 3e-5, "noise.num_levels": 28}
FID, EVALUATIONS = "eval/fid", "sample/network_evaluations_per_image"


def quality(point: dict[str, Any], best: dict[str, Any] = BEST, floor: float = 1.0) -> float:
    """Least at `best`; quadratic in the logarithm, the axes of WEIGHT first."""
    far = sum(
        WEIGHT.get(name, 0.15) * math.log10(point[name] / best[name]) ** 2
        for name in point
        if name in best
    )
    return floor * math.exp(1.3 * far)


def random_points(count: int, axes: dict[str, Any], seed: int = 3) -> list[dict[str, Any]]:
    """Points of the axes, from Optuna's own sampler."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask(distributions(axes)).params for _ in range(count)]


def distributions(axes: dict[str, Any]) -> dict[str, Any]:
    kinds = {"float": FloatDistribution, "int": IntDistribution}
    return {
        name: CategoricalDistribution(list(axis["choices"]))
        if "choices" in axis
        else kinds[axis["type"]](axis["low"], axis["high"], log=axis.get("log", False))
        for name, axis in axes.items()
    }


def add_trial(
    study: optuna.Study,
    axes: dict[str, Any],
    point: dict[str, Any],
    values: Sequence[float] | None,
    state: str = "complete",
    constraint: float | None = None,
    **record: Any,
) -> None:
    """Adds an ended trial with the attributes that a worker leaves."""
    states = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
    number = len(study.get_trials(deepcopy=False))
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=10 * number)
    seconds = record.get("seconds", {"train": 0.2, "sample": 2.0})
    finish = start + timedelta(seconds=sum(seconds.values()))
    metrics = {
        "eval/extractor": "classifier",
        "eval/feature_layer": "128",
        "eval/fid_num_samples": 300,
        "eval/num_reference": 359,
    }
    record = {
        "values": point | {"sample.num_samples": 300},
        "metrics": metrics | dict(zip(_objectives(study), values or (), strict=False)),
        "seconds": seconds,
        "worker": f"worker-{number % 2}",
        "started": start.isoformat(),
        "finished": finish.isoformat(),
        "seeds": (1234,),
        **record,
    }
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState[states[state]],
        values=list(values) if values is not None and state == "complete" else None,
        params=point,
        distributions={name: distributions(axes)[name] for name in point},
        user_attrs=TrialRecord(number, state, **record).as_attrs(),  # type: ignore[arg-type]
    )
    if constraint is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial.set_constraint("budget", constraint)
    study.add_trial(trial)


def make_study(
    name: str = "joint-digits",
    axes: dict[str, Any] = AXES,
    objectives: dict[str, str] | None = None,
    sampler: str = "tpe",
    **attrs: Any,
) -> optuna.Study:
    """An empty study in memory, with the attributes that a driver leaves."""
    objectives = objectives or {FID: "minimize"}
    study = optuna.create_study(study_name=name, directions=list(objectives.values()))
    spec = {
        "purpose": "How far the schedule's parameters decide FID together.",
        "objectives": objectives,
        "scientific": list(axes),
        "nuisance": [],
        "space": axes,
        "sampler": {"name": sampler, "seed": 1},
        "pruner": {"name": "none"},
        "draws": 1,
        "sizes": {
            "digits": {
                "preset": "digits",
                "fixed": {"train.num_steps": 300, "sample.num_samples": 300},
                "budget": {"trials": 40, "hours": 1},
            }
        },
    }
    attrs = {"spec": spec, "size": "digits", "model": "network", "commit": "0" * 40, **attrs}
    for key, value in ({"dirty": False} | attrs).items():
        study.set_user_attr(key, value)
    return study


def _objectives(study: optuna.Study) -> list[str]:
    return list(study.user_attrs["spec"]["objectives"])


def training_key(point: dict[str, Any]) -> str:
    """What the network depends on: the ladder, here coarsely."""
    ladder = round(math.log10(point.get("noise.sigma_max", 1.0)) * 2)
    return hashlib.sha256(str(ladder).encode()).hexdigest()


def joint(name: str = "joint-digits", count: int = 40, **options: Any) -> optuna.Study:
    """A study over all five axes: reuse, pruned, failed, infeasible, several draws."""
    oracle = name.endswith("-oracle")
    attrs = {"advised": ADVISED, "present": PRESENT, "model": "oracle" if oracle else "network"}
    study = make_study(name, **attrs, **options)
    seen: set[str] = set()
    origins = ["advised", "present"] + ["sampler"] * count
    points = [ADVISED, PRESENT, *random_points(count - 2, AXES)]
    for i, (origin, point) in enumerate(zip(origins, points, strict=False)):
        key = training_key(point)
        how = "cached" if key in seen else "ran"
        seen.add(key)
        fid = quality(point, floor=0.9 if oracle else 4.5)
        fids = [fid * 0.95, fid * 1.05]
        evaluations = float(point["noise.num_levels"] * point["sampler.steps_per_level"])
        cost = {"train": 60.0 if how == "ran" else 0.3, "sample": 0.02 * evaluations}
        ended: dict[str, Any] = {"state": "complete"}
        if i % 13 == 7:
            ended = {"state": "pruned", "reason": "median pruner at step 250: val/loss 31.2"}
        if i % 17 == 11:
            ended = {"state": "failed", "reason": "sample: not a number at level 3, step 2"}
        values = [fid, evaluations] if len(_objectives(study)) == 2 else [fid]
        add_trial(
            study,
            AXES,
            point,
            values if ended["state"] == "complete" else None,
            origin=origin,
            train_key=key,
            stages={"prepare": "unchanged", "train": how, "sample": "ran", "evaluate": "ran"},
            seconds={"train": 2.0} if oracle else cost,
            by_seed={FID: fids},
            seeds=(1234, 1235),
            constraint=evaluations - 900,
            **ended,
        )
    return study


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[optuna.Study], Path]:
    """Writes a study's two files as a sweep does and returns their folder."""

    def export(study: optuna.Study) -> Path:
        folder = tmp_path / study.study_name
        export_study(study._storage, study.study_name, folder)
        return folder

    return export


@pytest.fixture(scope="session")
def synthetic() -> Any:
    """The makers of this file, by name."""
    return _Synthetic


class _Synthetic:
    AXES, BEST, ADVISED, PRESENT, FID, EVALUATIONS = AXES, BEST, ADVISED, PRESENT, FID, EVALUATIONS
    joint = staticmethod(joint)
    make_study = staticmethod(make_study)
    add_trial = staticmethod(add_trial)
    random_points = staticmethod(random_points)
    quality = staticmethod(quality)
