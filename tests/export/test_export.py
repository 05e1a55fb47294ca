"""An export gives the same scores and images elsewhere, or one line that names the file."""

import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from absent import TRACKING, run_without
from PIL import Image
from planted_results import plant_results
from safetensors.torch import load_file, save_file

from ncsn.base.errors import UserError
from ncsn.base.files import file_sha256
from ncsn.base.rng import generator
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.params import load_params
from ncsn.config.preset import write_values
from ncsn.export.load import load_export
from ncsn.export.trained import Trained, trained_from_checkpoint
from ncsn.export.write import write_export
from ncsn.train.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
CONTINUOUS = {"model.name": "ncsnv2", "noise.training": "continuous"}
SECTIONS = ("paths", "data", "noise", "model", "sampler", "sample")
ELSEWHERE = TRACKING | {"matplotlib", "sklearn", "scipy", "torch_fidelity", "PIL", "filelock"}


@pytest.fixture
def export(trained: Callable[..., Path]) -> Path:
    """An export of a network with random weights."""
    write_export("out", load_params(*SECTIONS), trained())
    return Path("out").resolve()


@pytest.fixture
def command(capsys, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a script of pipeline/; returns its status and what it printed."""

    def run(name: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
        status = 0
        try:
            runpy.run_path(str(ROOT / "pipeline" / f"{name}.py"), run_name="__main__")
        except SystemExit as ending:
            status = int(ending.code or 0)
        return status, *capsys.readouterr()

    return run


def _scores(net: torch.nn.Module, shape: tuple[int, int, int]) -> torch.Tensor:
    x = torch.rand((6, *shape), generator=generator("x"))
    with torch.inference_mode():
        return net(x, torch.arange(6) % 3)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12)])
@pytest.mark.parametrize("changes", [{}, {"model.name": "ncsnv2"}, CONTINUOUS])
def test_an_export_gives_the_scores_of_its_checkpoint_bit_for_bit(trained, changes, shape) -> None:
    write_values(changes)
    path = trained(shape)
    params, saved = load_params(*SECTIONS), load_checkpoint(path)
    write_export("out", params, path)
    net = build_trained_net(saved.params, shape, saved.ema, build_sigmas(params.noise))
    raw = build_trained_net(saved.params, shape, saved.net, build_sigmas(params.noise))
    found = load_export("out")
    assert torch.equal(_scores(found.net, shape), _scores(net, shape))
    assert not torch.equal(_scores(found.net, shape), _scores(raw, shape))
    assert torch.equal(found.sigmas, build_sigmas(params.noise))


def test_an_export_draws_the_images_of_the_stage(trained, export, command, tmp_path) -> None:
    assert command("sample")[0] == 0
    stage = np.load(load_params("paths").paths.samples)["arr_0"]
    moved = shutil.move(export, tmp_path / "elsewhere")
    for source, num in ((moved, 1), (load_params("paths").paths.checkpoint, 6)):
        words = ("--from", str(source), "--num", str(num), "--out", f"{num}.npz")
        assert command("draw", *words)[0] == 0
        assert np.array_equal(np.load(f"{num}.npz")["arr_0"], stage[:num])
    drawn = load_export(moved)
    assert np.array_equal(drawn.draw(), stage)
    assert not np.array_equal(drawn.draw(seed=5), stage)
    assert np.array_equal(drawn.draw(7, seed=5), drawn.draw(seed=5)[:7])


def test_an_export_draws_without_params(export, command, tmp_path, monkeypatch) -> None:
    expected = load_export(export).draw(5, seed=3)
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("draw", "--from", str(export), "--num", "5", "--seed", "3")
    assert status == 0 and out.startswith(f"grid.png: 5 images drawn with {export}")
    picture = np.asarray(Image.open("grid.png"))
    scale = 640 // (3 * 8)
    assert picture.shape == (2 * 8 * scale + 2, 3 * 8 * scale + 4, 3)
    first = picture[: 8 * scale : scale, : 8 * scale : scale]
    assert np.array_equal(first, np.broadcast_to(expected[0], (8, 8, 3)))


def test_the_example_of_the_card_runs_where_little_is_installed(export, tmp_path) -> None:
    place = tmp_path / "elsewhere"
    shutil.move(export, place)
    (example,) = re.findall(r"```python\n(.*?)```", (place / "README.md").read_text(), re.S)
    imports = set(re.findall(r"^(?:from|import) (\w+)", example, re.M))
    assert imports == {"torch", "ncsn"} and len(example.splitlines()) <= 11
    done = run_without(ELSEWHERE, example + "\nprint(images.shape, scores.shape)", place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(16, 8, 8, 1) torch.Size([4, 1, 8, 8])\n"


def test_equal_exports_have_equal_bytes_and_replace_each_other(trained) -> None:
    path, params = trained(), load_params(*SECTIONS)
    for name in ("one", "two", "one"):
        write_export(name, params, path)
    files = sorted(file.name for file in Path("one").iterdir())
    assert files == [".made-by-ncsn", "README.md", "config.json", "model.safetensors"]
    for name in files:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def _flipped(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def _cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:100])


def _not_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    _configured("weights_sha256", file_sha256(folder / "model.safetensors"))(folder)


def _lacking(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.popitem()
    save_file(tensors, folder / "model.safetensors")
    _configured("weights_sha256", file_sha256(folder / "model.safetensors"))(folder)


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _text(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(text)


def _configured(dotted: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        *places, key = dotted.split(".")
        inner = config
        for place in places:
            inner = inner[place]
        inner[key] = value
        (folder / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (_flipped, "model.safetensors: is not the file that was exported, or is damaged"),
        (_cut, "model.safetensors: is not the file that was exported, or is damaged"),
        (_not_safetensors, "model.safetensors: is no file of safetensors"),
        (_lacking, "config.json describes another network, or another ladder, than its weights"),
        (_without("model.safetensors"), "model.safetensors is missing"),
        (_without("config.json"), "config.json is missing"),
        (_text(""), "config.json: Invalid JSON"),
        (_text("[]"), "config.json: "),
        (_text('{"format": 1}'), "config.json: data: missing"),
        (_configured("format", 2), "config.json: format (value 2): must be 1"),
        (_configured("model.base_channels", 8), "config.json describes another network"),
        (_configured("model.name", "ncsnv2"), "config.json describes another network"),
        (_configured("model.name", "ncns"), "Did you mean 'ncsn'?"),
        (_configured("noise.sigma_max", 2.0), "or another ladder, than its weights"),
        (_configured("trained_noise.training", "ladders"), "trained_noise.training (value"),
        (_configured("image_shape", [1, 8]), "config.json: image_shape"),
        (_configured("sampler.epsilon", -1.0), "sampler.epsilon (value -1.0): must be greater"),
        (_configured("extra", 1), "config.json: extra"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_export_is_one_line(export, fault, told) -> None:
    fault(export)
    with pytest.raises(UserError) as raised:
        load_export(export)
    assert told in str(raised.value) and str(export) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("export", ("--checkpoint", "none.pt"), "none.pt is missing"),
        ("export", ("--checkpoint", "params.yaml"), "params.yaml: not a file of tensors"),
        ("export", ("--out", "src"), "src is a link"),
        ("export", ("--out", "mine"), "mine is not empty, and ncsn did not make it"),
        ("draw", ("--num", "0"), "--num (value 0): must be a whole number from 1"),
        ("draw", ("--seed", "-1"), "--seed (value -1): must be a whole number from 0"),
        ("draw", ("--out", "a.jpg"), "--out (value 'a.jpg'): must end in .png or .npz"),
        ("draw", ("--device", "gpu"), "--device (value 'gpu'): must be auto, cpu, cuda or cuda:N"),
        ("draw", ("--from", "mine"), "mine/config.json is missing"),
        ("draw", ("--from", "none"), "none is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_write_nothing(trained, command, name, words, told) -> None:
    trained()
    Path("mine").mkdir()
    Path("mine/work.txt").write_text("of the user")
    before = sorted(Path().rglob("*"))
    status, out, error = command(name, *words)
    assert (status, out) == (2, "") and error.startswith("error: ") and error.count("\n") == 1
    assert told in error
    assert sorted(Path().rglob("*")) == before


def test_a_checkpoint_of_another_ladder_is_not_exported(trained, command) -> None:
    trained()
    write_values({"noise.num_levels": 4})
    for name in ("export", "draw"):
        status, _, error = command(name)
        assert status == 2 and "params.yaml: noise has 4 levels" in error
    assert not Path("exports").exists()


def test_the_card_has_metrics_of_its_own_checkpoint_alone(trained, command) -> None:
    trained()
    shutil.copytree(ROOT / "reports", "reports", ignore=shutil.ignore_patterns("sweeps"))
    status, out, error = command("export", "--out", "out")
    assert status == 0 and out.startswith("out: README.md says how to use it")
    assert "the card has no metrics: there is no dvc.lock" in error
    card = Path("out/README.md").read_text()
    assert "FID" not in card and "None: those of this checkpoint were not known" in card


def test_what_draws_is_plain(export) -> None:
    """The same object from either source, so that what is said of one holds for the other."""
    assert isinstance(load_export(export), Trained)
    checkpoint = load_params("paths").paths.checkpoint
    assert trained_from_checkpoint(checkpoint).sampler == load_export(export).sampler


def test_the_card_of_the_pipelines_own_checkpoint_has_its_metrics(trained, command) -> None:
    trained()
    Path("reports").mkdir()
    for name in ("metrics", "oracle", "reference"):
        shutil.copy(ROOT / "reports" / f"{name}.json", "reports")
    plant_results(Path())
    status, _, error = command("export", "--out", "out")
    assert (status, error) == (0, "")
    card = Path("out/README.md").read_text()
    measured = json.loads(Path("reports/metrics.json").read_text())
    row = f"{measured['eval/fid']:.2f} ± {measured['eval/fid_stderr']:.2f}"
    assert row in card and "500 samples against 359 real images; features of `classifier`" in card
    assert np.asarray(Image.open("out/samples.png")).shape[2] == 3
    write_values({"sampler.epsilon": 2e-4})  # the metrics are of another sampler now
    assert command("export", "--out", "out")[0] == 0
    assert "FID" not in Path("out/README.md").read_text()
    assert not Path("out/samples.png").exists()
