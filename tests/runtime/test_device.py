"""What a GPU is told before it works; none is needed to see it."""

import os

import pytest
import torch
from torch import nn

from ncsn.config.params import BaseParams
from ncsn.runtime.device import build_device
from ncsn.runtime.execution import placed

CUDA = torch.device("cuda")


@pytest.fixture
def gpu(monkeypatch):
    """A machine that says it has a GPU, with torch's global switches as they were afterwards."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(nn.Module, "to", lambda self, *_, **__: self)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "of the user")
    before = torch.get_float32_matmul_precision()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision(before)


def _built(deterministic, device="auto"):
    values = {"seed": 1, "checkpoint_every_sec": 60.0, "max_batch_size": 8, "compile": "auto"}
    values["devices"] = 1
    return build_device(BaseParams(device=device, deterministic=deterministic, **values))


def test_a_gpu_tries_algorithms_out_and_compiles_long_work(gpu):
    assert _built(deterministic=False) == CUDA
    placed(nn.Linear(1, 1), CUDA)
    assert torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_gpu_tries_nothing_out(gpu, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    assert _built(deterministic=True) == CUDA
    placed(nn.Linear(1, 1), CUDA)
    assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_the_user_s_workspace_of_cublas_stays(gpu):
    _built(deterministic=True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == "of the user"


def test_a_cpu_is_not_concerned(gpu):
    assert _built(deterministic=True, device="cpu").type == "cpu"
    placed(nn.Linear(1, 1), torch.device("cpu"))
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
