"""Work of several processes is one process's, up to the order of sums."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ranks_group import BREAKS_AT, BROKEN, drawn, trained
from tiny_training import BASE

import ncsn.runtime.ranks
import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.errors import UserError
from ncsn.base.training_names import TRAIN_LOSS
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import checked_params
from ncsn.runtime.ranks import ALONE, Ranks, join
from ncsn.train.checkpoint import Checkpoint, load_checkpoint
from ncsn.train.log import LOG, PREVIEWS
from ncsn.train.loop import CHECKPOINT

TESTS = Path(__file__).parents[1]
SIZES = (2, 3)
CPU = torch.device("cpu")
# Of weights up to 0.9: seen were at most 1e-6 for the right way, 0.1 and more for the faults.
TOLERANCE = 1e-5


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return str(found.getsockname()[1])


def _grouped(folder: Path, size: int) -> None:
    """Runs ranks_group.py in `size` processes."""
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]),
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": _free_port(),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(TESTS / "ranks_group.py"), str(folder)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * size, "\n".join(said)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """What two and three processes left, by their number; three go on with a training of two."""
    top = tmp_path_factory.mktemp("ranks")
    _grouped(top / "2", 2)
    (top / "3").mkdir()
    shutil.copytree(top / "2" / BROKEN, top / "3" / BROKEN)
    assert load_checkpoint(top / "3" / BROKEN / CHECKPOINT).step == BREAKS_AT
    _grouped(top / "3", 3)
    return {size: top / str(size) for size in SIZES}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Path]:
    """The training of one process, and its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ncsn.train.watching, "NUM_VALIDATION", 24)
        patch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)
        folder = tmp_path_factory.mktemp("alone")
        return trained(folder), folder


def _distance(one: Checkpoint, two: Checkpoint) -> float:
    """The largest difference of a weight, averaged or not, and of Adam's mean gradients."""
    pairs = [(one.net[key], two.net[key]) for key in one.net]
    pairs += [(one.ema[key], two.ema[key]) for key in one.ema]
    states = (saved.optimizer["state"] for saved in (one, two))
    moments = ([state["exp_avg"] for state in each.values()] for each in states)
    pairs += zip(*moments, strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("size", SIZES)
def test_ranks_are_equal_bit_for_bit(folders, size):
    first, *others = (load_checkpoint(folders[size] / f"Staying-{r}.pt") for r in range(size))
    for other in others:
        assert _distance(first, other) == 0 and first.step == other.step


@pytest.mark.parametrize("size", SIZES)
def test_a_training_of_several_is_that_of_one(folders, alone, size):
    """Of three, the slices of a batch of 8 are not equal."""
    saved = load_checkpoint(folders[size] / "Staying-0.pt")
    assert _distance(saved, alone[0]) < TOLERANCE
    assert saved.step == alone[0].step and saved.params == alone[0].params


@pytest.mark.parametrize(
    ("size", "fault"),
    [(2, "NotAveraged"), (3, "NotAveraged"), (3, "EqualWeights"), (2, "Misplaced")],
)
def test_a_planted_fault_exceeds_the_tolerance(folders, alone, size, fault):
    saved = load_checkpoint(folders[size] / f"{fault}-0.pt")
    assert _distance(saved, alone[0]) > 100 * TOLERANCE


@pytest.mark.parametrize("size", SIZES)
def test_the_first_rank_alone_logs_and_draws_previews(folders, alone, size):
    logs = [folders[size] / "Staying" / LOG, alone[1] / LOG]
    rows, expected = ([json.loads(line) for line in log.read_text().splitlines()] for log in logs)
    assert [row.keys() for row in rows] == [row.keys() for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-4)
    assert any(TRAIN_LOSS in row for row in rows)
    previews = [{p.name for p in (log.parent / PREVIEWS).iterdir()} for log in logs]
    assert previews[0] == previews[1]


def test_a_training_goes_on_with_another_number_of_ranks(folders, alone):
    first, *others = (load_checkpoint(folders[3] / f"{BROKEN}-{r}.pt") for r in range(3))
    assert _distance(first, alone[0]) < TOLERANCE
    assert all(_distance(first, other) == 0 for other in others)
    log = (folders[3] / BROKEN / LOG).read_text()
    assert [json.loads(line)["step"] for line in log.splitlines()] == [
        json.loads(line)["step"] for line in (alone[1] / LOG).read_text().splitlines()
    ]


@pytest.mark.parametrize("size", SIZES)
def test_images_are_those_of_one_process(folders, tmp_path, size):
    expected, found = drawn(tmp_path), np.load(folders[size] / "samples.npz")
    assert np.array_equal(found["images"], expected.images)
    assert np.array_equal(found["states"], expected.states)
    assert len(list((folders[size] / "blocks").iterdir())) == 5


def test_slices_and_shares_are_whole():
    for count, size in [(8, 3), (2, 2), (7, 1), (128, 5)]:
        ranks = [Ranks(CPU, rank, size) for rank in range(size)]
        slices = [each.part(torch.arange(count))[0] for each in ranks]
        assert torch.equal(torch.cat(slices), torch.arange(count))
        assert max(map(len, slices)) - min(map(len, slices)) <= 1
        dealt = [each.dealt(list(range(count))) for each in ranks]
        assert sorted(sum(dealt, [])) == list(range(count))


def test_one_process_touches_nothing_of_torch_distributed(monkeypatch):
    monkeypatch.setattr(ncsn.runtime.ranks, "dist", None)
    losses = torch.ones(3)
    assert ALONE.mean_gradients(torch.nn.Linear(1, 1), losses, 3) is losses
    assert ALONE.of_the_first("value") == "value" and ALONE.dealt("abc") == list("abc")
    ALONE.wait()
    ALONE.only_first_goes_on()
    assert join(BASE).size == 1


def test_a_batch_too_small_for_all_is_refused():
    with pytest.raises(UserError, match=r"train.batch_size \(value 2\): must be at least .* 3;"):
        Ranks(CPU, 0, 3).require_batch(2)
    Ranks(CPU, 0, 3).require_batch(3)


def test_more_processes_than_gpus_are_refused_before_any_starts(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(ncsn.runtime.ranks, "relaunch", lambda num: pytest.fail("started"))
    for device in ("auto", "cuda"):
        base = BASE.model_copy(update={"device": device, "devices": 3})
        with pytest.raises(UserError, match=r"base.devices \(value 3\): .* has 2 CUDA .* Use 2"):
            join(base)


def test_on_a_cpu_any_number_starts(monkeypatch):
    class Started(Exception):
        pass

    def started(num: int) -> None:
        assert num == 3
        raise Started

    monkeypatch.setattr(ncsn.runtime.ranks, "relaunch", started)
    with pytest.raises(Started):
        join(BASE.model_copy(update={"devices": 3}))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"devices": 0}, "base.devices (value 0): must be greater than or equal to 1."),
        ({"devices": -1}, "base.devices (value -1): must be greater than or equal to 1."),
        ({"devices": "two"}, "base.devices (value 'two'): must be a valid integer."),
        ({"devices": 2.0}, "base.devices (value 2.0): must be a valid integer. Write 2"),
        (
            {"devices": 2000},
            "base.devices (value 2000): must be at most 1024: no host has more GPUs.",
        ),
        (
            {"devices": 2, "device": "cuda:1"},
            "base.devices (value 2): must be 1, where base.device names one GPU (cuda:1); 'cuda'"
            " are all of them",
        ),
    ],
)
def test_a_wrong_number_is_one_line(changes, complaint):
    values = read_yaml(TESTS.parent / "params.yaml")
    values["base"] |= changes
    with pytest.raises(UserError) as raised:
        checked_params(values)
    assert str(raised.value) == f"params.yaml: {complaint}"
