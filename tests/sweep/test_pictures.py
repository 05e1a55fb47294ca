"""A few images of each trial are kept, exported with the points that a page shows, and shown."""

import io
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ncsn.base.files import read_json
from ncsn.config.params import SweepParams
from ncsn.report.sweep.write import write_study_report
from ncsn.sweep.results.export import export_study
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.pictures import ARTIFACTS, kept_samples, samples_png
from ncsn.sweep.search.study import opened_study
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import Plan, made_plan
from ncsn.sweep.studies.study import checked_spec
from ncsn.sweep.trials.outcome import Outcome, StageOutcome

ROOT = Path(__file__).parents[2]
PARAMS = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=2, max_retry=1)
EPSILON = {"type": "float", "low": 1e-6, "high": 1e-3, "log": True, "points": 4}
COMMIT = {"commit": "c" * 40, "dirty": False}


@dataclass(frozen=True)
class DrawingPipeline:
    """Leaves images at one place, as a workspace does; each draw takes that of the one before.

    An image's value tells epsilon and the draw.
    """

    folder: Path

    def opened(self, worker: int) -> Any:
        return partial(self._reproduce, self.folder / "samples.npz")

    def _reproduce(self, path: Path, values: Mapping[str, Any], on_row: Any) -> Outcome:
        level = round(-np.log10(values["sampler.epsilon"])) * 10 + values["sample.seed"] % 10
        np.savez(path, arr_0=np.full((20, 8, 8, 1), level, np.uint8))
        fid = abs(np.log10(values["sampler.epsilon"]) + 4) + values["sample.seed"] % 10
        stages = (StageOutcome("sample", "ran", 0.02),)
        return Outcome({"eval/fid": float(fid)}, stages, "key", 0.02, path, path)


def planned(space: dict[str, Any], draws: int = 2) -> Plan:
    spec = {
        "purpose": "p",
        "objectives": {"eval/fid": "minimize"},
        "scientific": list(space),
        "space": space,
        "sampler": {"name": "grid"},
        "draws": draws,
        "sizes": {"digits": {"preset": "digits", "budget": {"trials": 8, "hours": 1.0}}},
    }
    sys.path.append(str(ROOT))
    from ncsn.base.yaml_file import read_yaml

    params = read_yaml(ROOT / "params.yaml")
    return made_plan("mine", checked_spec(spec, "f"), "digits", "network", params)


def searched(folder: Path, plan: Plan) -> Any:
    store = Store(PARAMS, folder)
    storage = open_storage(PARAMS, folder)
    opened_study(storage, plan, COMMIT)
    limits = Limits(plan.budget.trials, time.time() + 60)
    take_trials(Sweep(plan, DrawingPipeline(folder), store, limits, None), Stop())
    return storage


@pytest.fixture(scope="module")
def one_axis(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("drawn")
    return folder, searched(folder, planned({"sampler.epsilon": EPSILON}))


def shades(png: bytes) -> set[int]:
    return set(np.unique(np.asarray(Image.open(io.BytesIO(png)))).tolist())


def test_the_first_draw_of_each_trial_is_kept(one_axis: tuple[Path, Any]) -> None:
    folder, storage = one_axis
    pictures = kept_samples(storage, "mine-digits", folder / ARTIFACTS)
    assert {number: shades(png) for number, png in pictures.items()} == {
        0: {64, 255},  # 1e-6, seed 1234, and the white between images
        1: {44, 255},
        2: {54, 255},
        3: {34, 255},
    }


@pytest.mark.parametrize(
    ("side", "channels", "shape"), [(8, 1, (17, 71)), (28, 1, (57, 231)), (32, 3, (32, 263, 3))]
)
def test_a_picture_is_small(side: int, channels: int, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, side, side, channels), np.uint8)
    png = samples_png(noise)
    assert np.asarray(Image.open(io.BytesIO(png))).shape == shape
    assert len(png) < {8: 2_000, 28: 15_000, 32: 27_000}[side]  # of noise, which is the worst


def test_one_axis_has_a_row_for_each_value_in_its_order(
    one_axis: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, storage = one_axis
    out = tmp_path / "mine-digits"
    export_study(storage, "mine-digits", out, folder / ARTIFACTS)
    found = read_json(out / "study.json")["samples"]
    assert found["along"] == {"sampler.epsilon": [0, 2, 1, 3]}
    assert found["named"] == {"best": 1, "worst": 0}
    assert set(found["files"].values()) == {f"samples/{n}.png" for n in range(4)}
    page = write_study_report(out).read_text()
    places = [page.index(f'src="samples/{n}.png"') for n in (0, 2, 1, 3)]
    assert places == sorted(places)


def test_images_of_another_machine_stay(one_axis: tuple[Path, Any], tmp_path: Path) -> None:
    folder, storage = one_axis
    out = tmp_path / "mine-digits"
    export_study(storage, "mine-digits", out, folder / ARTIFACTS)
    before = sorted(path.name for path in (out / "samples").iterdir())
    export_study(storage, "mine-digits", out, tmp_path / "nothing here")
    assert sorted(path.name for path in (out / "samples").iterdir()) == before
    assert len(read_json(out / "study.json")["samples"]["files"]) == 4


def test_an_export_without_images_is_a_page_without_them(
    one_axis: tuple[Path, Any], tmp_path: Path
) -> None:
    _, storage = one_axis
    export_study(storage, "mine-digits", tmp_path)
    assert read_json(tmp_path / "study.json")["samples"]["files"] == {}
    assert 'id="samples"' not in write_study_report(tmp_path).read_text()


def test_several_axes_show_the_best_trial_of_each_part(tmp_path: Path) -> None:
    space = {
        "sampler.epsilon": EPSILON,
        "sampler.final_denoise": {"type": "categorical", "choices": [True, False]},
    }
    storage = searched(tmp_path, planned(space, draws=1))
    export_study(storage, "mine-digits", tmp_path / "out", tmp_path / ARTIFACTS)
    found = read_json(tmp_path / "out" / "study.json")["samples"]
    assert [len(row) for row in found["along"].values()] == [4, 2]
    assert found["named"]["best"] in found["along"]["sampler.final_denoise"]
    page = write_study_report(tmp_path / "out").read_text()
    assert "along <code>sampler.final_denoise</code>" in page and "Worst" in page
