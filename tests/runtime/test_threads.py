"""Work has as many threads as it is large, and what the user says of threads stands."""

import os
import subprocess
import sys

import pytest
import torch

from ncsn.runtime.threads import computing_threads, threads_for

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def four_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with computing_threads(4):
        yield


def test_threads_follow_the_size_of_the_work(four_threads):
    digits, mnist32, paper = 6.8e9, 8.9e10, 1.4e12
    assert threads_for(digits, CPU) == 1
    assert threads_for(2.5e10, CPU) == 2
    assert threads_for(mnist32, CPU) == threads_for(paper, CPU) == 4
    assert threads_for(0, CPU) == 1 and threads_for(digits, CUDA) == 4


def test_the_number_of_threads_that_the_user_sets_stands(four_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert threads_for(1.0, CPU) == 4


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), computing_threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, "1000 None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
    ],
)
def test_threads_that_wait_spin_briefly_unless_the_user_says_how(said, found):
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    code = (
        "import os, sys, ncsn.base.entry; assert 'torch' not in sys.modules;"
        f"print(*(os.environ.get(name) for name in {names}))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in names} | said
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == found
