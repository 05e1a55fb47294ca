"""The project's shape: dvc.yaml lists what stages import and read; rings import only inwards."""

import ast
import re
from pathlib import Path

import pytest

from ncsn.dag import configuration_key, declared_params, stage_key, stage_table
from ncsn.imports import direct_imports, imported_modules
from ncsn.io import write_json
from ncsn.params import load_params
from ncsn.training_noise import training_noise
from ncsn.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
STAGES = stage_table(ROOT)
TORCH_FREE = (
    "tracking",
    "report",
    "follow",
    "params",
    "reading",
    "npz",
    "records",
    "io",
    "marked",
    "staging",
    "paths",
    "dag",
    "entry",
    "preset",
    "keys",
    "trial_record",
    "log_rows",
    "times",
    "sweep",
)

# A module may import what stands to the left of it, and its neighbours in the same package.
RINGS = [
    {"doubt", "errors", "rng", "keys", "imports", "trial_record", "types", "addresses"},
    {"reading", "marked", "outside", "progress", "log_rows"},
    {"npz", "staging"},
    {"io", "secrets_file"},
    {"records"},
    {"yaml_file", "sections", "entry"},
    {"paths"},
    {"params"},
    {"noise", "losses", "samplers", "ema", "nets", "oracles", "mixtures", "advisor"},
    {"dag", "preset", "limits", "training_noise", "least_loss"},
    {"data", "work", "checkpoint", "batches", "cost", "memory", "advice"},
    {"threads"},
    {"classifier", "execution", "times"},
    {"pixel_frechet"},
    {"training_log", "previews", "sampling"},
    {"fidelity"},
    {"training", "metrics", "toy", "inception", "illustration"},
    {"reference", "trained"},
    {"evaluation", "build", "neighbours"},
    {"tracking", "report", "follow"},
    {"sweep"},
]
# Sections by which a stage may refuse to start, though they decide nothing of what it leaves:
# labels that reference.extractor cannot use are told before anything is trained. Declared in
# dvc.yaml, another extractor would prepare the same images and train the same network once more.
REFUSING = {"prepare": {"reference"}, "train": {"reference"}}
MATHS = next(ring for ring in RINGS if "losses" in ring)


def _module(path: Path) -> str:
    return path.relative_to(SRC / "ncsn").parts[0].removesuffix(".py")


def _modules() -> list[Path]:
    return sorted(path for path in (SRC / "ncsn").rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("name", STAGES)
def test_deps_of_a_stage_are_the_modules_that_it_imports(name):
    script = f"pipeline/{name}.py"
    imported = [p.relative_to(ROOT).as_posix() for p in imported_modules(ROOT / script, SRC)]
    listed = [dep for dep in STAGES[name]["deps"] if dep.endswith(".py")]
    assert sorted(listed) == sorted([script, *imported]), "run `make deps`"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_loads_the_sections_that_it_declares(name):
    tree = ast.parse((ROOT / "pipeline" / f"{name}.py").read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _is_named(n, "load_params")]
    loaded = {argument.value for call in calls for argument in call.args}
    declared = {key.split(".")[0] for key in STAGES[name]["params"]}
    # templated in dvc.yaml, or deciding nothing
    free = {"base", "paths"} | REFUSING.get(name, set())
    if name == "report":  # shows the values of every section that decides a result
        assert loaded <= declared | free
    else:
        assert loaded - free == declared - free


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(SRC).as_posix())
def test_imports_run_inwards(path):
    ring = next((i for i, names in enumerate(RINGS) if _module(path) in names), None)
    assert ring is not None, f"{_module(path)} has no ring"
    for imported in direct_imports(path, SRC):
        if _module(imported) != _module(path):
            assert any(_module(imported) in names for names in RINGS[:ring]), imported


@pytest.mark.parametrize("path", _modules(), ids=lambda p: p.relative_to(SRC).as_posix())
def test_each_outside_library_has_its_place(path):
    top = {name.split(".")[0] for name in _outside_imports(path)}
    module = _module(path)
    assert "mlflow" not in top or module == "tracking"
    assert not {"pandas", "matplotlib"} & top or module in ("report", "toy")
    assert "torch_fidelity" not in top or module == "fidelity"
    assert not {"dvc", "dvc_data"} & top or path.stem == "dvc_repo"
    assert "optuna" not in top or module == "sweep"
    assert "ruamel" not in top or module == "yaml_file"
    assert "torch" not in top or module not in TORCH_FREE or path.stem == "score_model"
    if module in MATHS:
        assert top <= {
            "torch",
            "math",
            "collections",
            "functools",
            "typing",
            "dataclasses",
            "ncsn",
        }


def test_package_files_import_nothing_of_ours():
    """Otherwise a stage that imports one module of a package would depend on all of them."""
    for path in SRC.rglob("__init__.py"):
        assert not direct_imports(path, SRC), path


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
        assert len(script.read_text().splitlines()) <= 65, script


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
    _edit(project, "steps_per_level: ", "steps_per_level: 1")
    assert configuration_key(data, project) != key


def _is_named(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def _outside_imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names
