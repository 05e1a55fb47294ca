"""Which precision and what is compiled: by machine, size of work, and what was asked for."""

import pytest
import torch
from tiny_training import BASE

from ncsn.runtime import compiler, way
from ncsn.runtime.compiler import cpp_compiler_works, keep_compiled_code
from ncsn.runtime.way import NETWORK, NORMS, Way, chosen_way

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
LONG, SHORT = 1e18, 1e12


@pytest.fixture
def machine(monkeypatch):
    """Sets what the processor has, and whether there is a compiler."""

    def of(instructions=("avx512_bf16",), has_compiler=True):
        found = dict.fromkeys(instructions, True)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
        monkeypatch.setattr(way, "cpp_compiler_works", lambda: has_compiler)

    of()
    return of


def _base(compile_choice="auto", deterministic=False):
    return BASE.model_copy(update={"compile": compile_choice, "deterministic": deterministic})


@pytest.mark.parametrize("instructions", [("avx512_bf16",), ("amx_bf16", "avx512_bf16")])
def test_auto_is_bf16_on_a_cpu_that_has_it_for_long_work(machine, instructions):
    machine(instructions)
    assert chosen_way("auto", _base(), CPU, LONG) == Way("bf16", NORMS)
    assert chosen_way("auto", _base(), CPU, SHORT) == Way("fp32")


def test_auto_is_fp32_without_instructions_compiler_or_leave_to_compile(machine):
    assert chosen_way("auto", _base("never"), CPU, LONG) == Way("fp32")
    assert chosen_way("auto", _base(deterministic=True), CPU, LONG) == Way("fp32")
    machine(instructions=("avx512_f", "avx512_fp16"))
    assert chosen_way("auto", _base(), CPU, LONG) == Way("fp32")
    machine(has_compiler=False)
    assert chosen_way("auto", _base(), CPU, LONG) == Way("fp32")


def test_a_named_precision_is_taken_and_compiled_where_that_is_possible(machine):
    assert chosen_way("bf16", _base(), CPU, SHORT) == Way("bf16", NORMS)
    assert chosen_way("bf16", _base("never"), CPU, LONG) == Way("bf16")
    assert chosen_way("fp32", _base(), CPU, LONG) == Way("fp32")
    assert chosen_way("fp32", _base("always"), CPU, SHORT) == Way("fp32", NETWORK)
    machine(has_compiler=False)
    assert chosen_way("bf16", _base(), CPU, LONG) == Way("bf16")


def test_work_that_is_gone_on_with_keeps_its_precision(machine, capsys):
    assert chosen_way("auto", _base(), CPU, LONG, "fp32") == Way("fp32")
    assert chosen_way("auto", _base(), CPU, SHORT, "bf16") == Way("bf16", NORMS)
    assert not capsys.readouterr().err
    machine(instructions=("avx2",))
    assert chosen_way("auto", _base(), CPU, LONG, "bf16").precision == "bf16"
    assert capsys.readouterr().err.count("going on in bf16") == 1


def test_a_gpu_takes_bf16_where_it_has_it_and_compiles_long_work(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert chosen_way("auto", _base(), CUDA, LONG) == Way("bf16", NETWORK)
    assert chosen_way("auto", _base(), CUDA, 1e13) == Way("bf16")
    assert chosen_way("auto", _base(deterministic=True), CUDA, LONG) == Way("bf16")
    exact = _base("always", deterministic=True)
    assert chosen_way("auto", exact, CUDA, LONG) == Way("bf16", NETWORK)
    assert chosen_way("auto", _base("never"), CUDA, LONG) == Way("bf16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert chosen_way("auto", _base(), CUDA, 1e13) == Way("fp32")


@pytest.mark.parametrize(
    ("script", "told"),
    [("exit 0", None), ("echo no headers >&2; exit 1", "(no headers)"), (None, "no C++ compiler")],
)
def test_a_compiler_is_tried_before_it_is_counted_on(tmp_path, monkeypatch, capsys, script, told):
    name = tmp_path / "c++"
    if script is not None:
        name.write_text(f"#!/bin/sh\n{script}\n")
        name.chmod(0o755)
    monkeypatch.setenv("CXX", str(name))
    cpp_compiler_works.cache_clear()
    try:
        assert [cpp_compiler_works(), cpp_compiler_works()] == [told is None] * 2
    finally:
        cpp_compiler_works.cache_clear()
    err = capsys.readouterr().err
    assert (err.count("notice") == 1 and told in err) if told else not err


def test_compiled_code_lies_in_the_project_unless_the_user_says_where(tmp_path, monkeypatch):
    monkeypatch.setenv(compiler._CACHE_DIR, "")  # so that monkeypatch takes back what is set
    monkeypatch.delenv(compiler._CACHE_DIR)
    monkeypatch.setenv("NCSN_PROJECT", str(tmp_path))  # a workspace of a sweep has it
    keep_compiled_code(".work")
    assert compiler.os.environ[compiler._CACHE_DIR] == str(tmp_path / ".work" / "compiled")
    monkeypatch.setenv(compiler._CACHE_DIR, "mine")
    keep_compiled_code(".work")
    assert compiler.os.environ[compiler._CACHE_DIR] == "mine"
