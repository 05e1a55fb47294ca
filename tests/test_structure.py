"""The project's shape: what stages declare, and which way imports run."""

import ast
import re
from pathlib import Path

import pytest

from ncsn.base.files import write_json
from ncsn.base.yaml_file import read_yaml
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import load_params
from ncsn.config.paths import FINGERPRINTS, WEIGHTS_SOURCE
from ncsn.runtime.dag import (
    configuration_key,
    declared_params,
    fingerprinted_stages,
    needed_stages,
    stage_key,
    stage_table,
)

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
STAGES = stage_table(ROOT)
# Imports run down this list: a folder may import from itself and from those above it.
ORDER = (
    {"base"},
    {"maths"},
    {"config"},
    {"builders", "runtime"},
    {"data"},
    {"train", "sample", "evaluate", "toy"},
    {"tracking", "report", "export", "verify"},
    {"sweep"},
    {"doctor"},
)
# What must never be: maths knows numbers alone, and each large library has its one place.
MATHS_IMPORTS = {"torch", "math", "statistics", "scipy"}
MATHS_IMPORTS |= {"collections", "functools", "typing", "dataclasses"}
MATHS_OURS = ("ncsn.maths", "ncsn.base.rng")
PLACES = {
    "mlflow": ("tracking/",),
    "optuna": ("sweep/search/",),
    "ray": ("sweep/launch/on_ray.py",),
    "submitit": ("sweep/launch/slurm/",),
    "dvc": tuple(
        f"sweep/trials/{name}.py" for name in ("dvc_repo", "dvc_settings", "remote", "sending")
    ),
    "dvc_data": (),
    "scmrepo": (),
    "torch_fidelity": ("evaluate/torch_fidelity.py",),
    "pandas": ("report/", "toy/"),
    "matplotlib": ("base/chart_style.py", "report/", "toy/"),
    "ruamel": ("base/yaml_file.py",),
    "safetensors": ("export/",),
}
# Torch takes seconds to load: commands and pages answer without it.
TORCH_FREE = ("base/", "config/", "tracking/", "report/", "sweep/", "verify/", "runtime/dag.py")
NEEDS_TORCH = ("base/rng.py", "base/tensor_file.py", "tracking/score_model.py")  # all the same
# Sections by which a stage may refuse to start, though they decide nothing of what it leaves:
# labels that reference.extractor cannot use are told before anything is trained. Declared in
# dvc.yaml, another extractor would prepare the same images and train the same network once more.
REFUSING = {"prepare": {"reference"}, "train": {"reference"}}


def _modules() -> list[Path]:
    return sorted(path for path in (SRC / "ncsn").rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_code_alone(name):
    code = [dep for dep in STAGES[name]["deps"] if dep.endswith(".py") or "fingerprint" in dep]
    assert code == ([] if name == "fingerprint" else [f"{FINGERPRINTS}/{name}.json"])


def test_the_stage_fingerprint_leaves_a_file_for_each_other_stage():
    assert STAGES["fingerprint"]["deps"] == ["pipeline", "src/ncsn"]
    assert fingerprinted_stages(ROOT) == [name for name in STAGES if name != "fingerprint"]
    outs = [f"{FINGERPRINTS}/{name}.json" for name in fingerprinted_stages(ROOT)]
    assert STAGES["fingerprint"]["outs"] == outs


def test_what_a_stage_needs_comes_before_it_and_nothing_else_does():
    needed = needed_stages("evaluate", ROOT)
    assert needed[-1] == "evaluate" and len(needed) == len(set(needed))
    assert set(needed) == {
        *("fingerprint", "source", "prepare", "reference", "noise", "train", "sample", "evaluate")
    }
    for name in ("source", "noise", "reference"):
        assert needed.index(name) > needed.index("fingerprint")
    assert needed.index("prepare") < needed.index("train") < needed.index("sample")
    assert needed_stages("fingerprint", ROOT) == ["fingerprint"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_loads_the_sections_that_it_declares(name):
    tree = ast.parse((ROOT / "pipeline" / f"{name}.py").read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _is_named(n, "load_params")]
    loaded = {argument.value for call in calls for argument in call.args}
    declared = {key.split(".")[0] for key in STAGES[name].get("params", [])}
    # templated in dvc.yaml, or deciding nothing
    free = {"base", "paths"} | REFUSING.get(name, set())
    if name == "report":  # shows the values of every section that decides a result
        assert loaded <= declared | free
    else:
        assert loaded - free == declared - free


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(SRC).as_posix())
def test_imports_keep_the_order_and_their_places(path):
    place = path.relative_to(SRC / "ncsn").as_posix()
    assert _complaints(place, path.read_text()) == []


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        ("maths/ladder.py", "from ncsn.config.params import load_params"),
        ("maths/losses.py", "from ncsn.base.files import read_json"),
        ("maths/nets/norm.py", "import yaml"),
        ("base/files.py", "from ncsn.data.split import Split"),
        ("builders/sampler.py", "from ncsn.runtime.device import build_device"),
        ("train/loop.py", "from ncsn.sample.blocks import Draw"),
        ("data/prepare.py", "def f():\n    import mlflow"),
        ("report/run/page.py", "from optuna import Study"),
        ("sweep/studies/plan.py", "import optuna.trial"),
        ("sweep/results/export.py", "import optuna"),
        ("sweep/cli.py", "from optuna import Study"),
        ("sweep/launch/launcher.py", "import ray"),
        ("sweep/launch/on_ray.py", "import submitit"),
        ("sweep/trials/workspace.py", "from dvc.repo import Repo"),
        ("sweep/search/worker.py", "from dvc.repo import Repo"),
        ("evaluate/metrics.py", "import torch_fidelity"),
        ("sample/blocks.py", "import matplotlib.pyplot as plt"),
        ("config/params.py", "from ruamel.yaml import YAML"),
        ("train/checkpoint.py", "from safetensors.torch import save"),
        ("export/card.py", "from ncsn.report.grids import plot_images"),
        ("verify/table.py", "import torch"),
        ("report/grids.py", "import torch"),
        ("new/thing.py", "import math"),
    ],
)
def test_a_planted_import_is_noticed(place, planted):
    assert _complaints(place, planted)


def test_every_dep_is_an_out_of_another_stage_or_a_file_of_the_project():
    outs = {out for stage in STAGES.values() for out in _files(stage, "outs", "metrics", "plots")}
    for name, stage in STAGES.items():
        for dep in set(_files(stage, "deps")) - outs:
            assert (ROOT / dep).exists(), f"{name}: {dep}"


def test_the_report_depends_on_what_its_page_is_made_of_beside_code():
    folder = SRC / "ncsn" / "report"
    files = [*(folder / "run").iterdir(), *folder.iterdir()]
    page = {
        str(path.relative_to(ROOT)) for path in files if path.suffix in (".html", ".css", ".js")
    }
    assert {dep for dep in STAGES["report"]["deps"] if dep.startswith("src/")} == page


def test_commands_of_stages_hold_no_values():
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"exec python pipeline/{name}.py"
    assert not re.search(r"cmd:.*\$\{", (ROOT / "dvc.yaml").read_text())


def test_every_declared_param_exists():
    params = read_yaml(ROOT / "params.yaml")
    for stage in STAGES.values():
        declared_params(stage, params)


def test_scripts_are_thin():
    for script in (ROOT / "pipeline").glob("*.py"):
        assert len(script.read_text().splitlines()) <= 40, script


@pytest.fixture
def project(tmp_path):
    """The files that keys are made of, with prepared images that are only stand-ins."""
    for name in ("dvc.yaml", "params.yaml", "src", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").unlink()
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    for split in ("train", "test"):
        path = tmp_path / "artifacts" / "data" / f"{split}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"images")
    noise = tmp_path / "artifacts" / "noise" / "training_noise.json"
    noise.parent.mkdir(parents=True)
    noise.write_text("{}")
    return tmp_path


def _edit(project: Path, old: str, new: str) -> None:
    text = (project / "params.yaml").read_text()
    assert old in text
    (project / "params.yaml").write_text(text.replace(old, new))


def test_the_key_of_training_ignores_sampling_but_not_the_learning_rate_or_the_data(project):
    key = stage_key("train", project)
    _edit(project, "steps_per_level: ", "steps_per_level: 1")
    _edit(project, "device: auto", "device: cpu")
    assert stage_key("train", project) == key
    _edit(project, "learning_rate: ", "learning_rate: 1")
    other = stage_key("train", project)
    assert other != key
    (project / "artifacts" / "data" / "train.npz").write_bytes(b"others")
    assert stage_key("train", project) != other


def test_moving_the_ladder_trains_again_only_where_it_was_trained_on(project):
    noise_file = project / "artifacts" / "noise" / "training_noise.json"

    def training_key() -> str:  # after the stage `noise`
        params = load_params("noise", "model", path=project / "params.yaml")
        write_json(noise_file, training_noise(params.noise, params.model.name))
        return stage_key("train", project)

    first = training_key()
    _edit(project, "num_levels: 10    ", "num_levels: 11    ")
    assert training_key() != first
    _edit(project, "name: ncsn ", "name: ncsnv2 ")
    _edit(project, "training: ladder", "training: continuous")
    continuous = training_key()
    _edit(project, "num_levels: 11", "num_levels: 12")
    _edit(project, "sigma_max: 1.0   ", "sigma_max: 2.0   ")
    assert training_key() == continuous
    _edit(project, "range_max: 6.0", "range_max: 7.0")
    assert training_key() != continuous


def test_the_key_of_a_configuration_changes_with_what_decides_the_metrics(project):
    data = {"train": "a", "test": "b"}
    key = configuration_key(data, project)
    _edit(project, "num_grid_images: ", "num_grid_images: 1")  # the report decides no metric
    assert configuration_key(data, project) == key
    assert configuration_key({**data, "test": "c"}, project) != key
    write_json(project / WEIGHTS_SOURCE, {})  # what `source` leaves where there are none
    assert configuration_key(data, project) == key
    write_json(project / WEIGHTS_SOURCE, {"sha256": "others under the same path"})
    assert configuration_key(data, project) != key
    write_json(project / WEIGHTS_SOURCE, {})
    _edit(project, "steps_per_level: ", "steps_per_level: 1")
    assert configuration_key(data, project) != key


def _is_named(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def _files(stage: dict, *kinds: str) -> list[str]:
    listed = [item for kind in kinds for item in stage.get(kind, [])]
    return [item if isinstance(item, str) else next(iter(item)) for item in listed]


def _complaints(place: str, source: str) -> list[str]:
    """What the imports of a module break; `place` is its path below src/ncsn."""
    folder = place.split("/")[0]
    if not any(folder in names for names in ORDER):
        return [f"{folder} has no place in ORDER"]
    rank = next(i for i, names in enumerate(ORDER) if folder in names)
    above = {folder}.union(*ORDER[:rank])
    found = []
    for name in _imports(source):
        top = name.split(".")[0]
        if top == "ncsn" and name.partition(".")[2].split(".")[0] not in {*above, ""}:
            found.append(f"{name} lies below {folder}")
        if folder == "maths" and top == "ncsn" and not name.startswith(MATHS_OURS):
            found.append(f"maths knows nothing of {name}")
        if folder == "maths" and top != "ncsn" and top not in MATHS_IMPORTS:
            found.append(f"maths knows nothing of {name}")
        if not place.startswith(PLACES.get(top, ("",))):
            found.append(f"{top} belongs in {', '.join(PLACES[top])}")
        if top == "torch" and place.startswith(TORCH_FREE) and place not in NEEDS_TORCH:
            found.append("torch takes seconds to load")
    return found


def _imports(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names
