"""The benchmark names what it compares: both arithmetics of the plain way, and the machine."""

import argparse
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import plain  # noqa: E402
import results  # noqa: E402
import speed  # noqa: E402
import ways  # noqa: E402

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ARGUMENTS = argparse.Namespace(
    size="tiny", device="cpu", precision="auto", compile="never", threads=1, workers=0
)


def test_a_gpu_measures_the_plain_way_twice_and_a_cpu_once(monkeypatch):
    done, taken = [], iter([0, 3 << 20, 1 << 20, 9 << 20, 2 << 20, 4 << 20])
    monkeypatch.setattr(speed, "_work", lambda name, *_: name)
    monkeypatch.setattr(speed, "seconds_of", lambda work, device: done.append(work))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda device: next(taken))
    works, peaks = speed._works("train", ARGUMENTS, CUDA)
    assert works == {
        "plain": "plain-train",
        "plain_fp32": "plain_fp32-train",
        "ours": "ours-train",
    }
    assert peaks == {"plain": 3.0, "plain_fp32": 8.0, "ours": 2.0}
    assert done == [name for name in works.values() for _ in range(3)]
    works, peaks = speed._works("sample", ARGUMENTS, CPU)
    assert list(works) == ["plain", "ours"] and peaks == {}
    assert speed._arithmetics(CUDA) == {"plain": "TF32 convolutions", "plain_fp32": "strict fp32"}


def test_each_arithmetic_sets_what_it_names_and_gives_back_what_was():
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.benchmark, cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    cudnn.benchmark, cudnn.allow_tf32 = True, True
    try:
        for name in (plain.TF32, plain.FP32):
            with plain.arithmetic(name):
                assert cudnn.allow_tf32 == (name == plain.TF32) and not cudnn.benchmark
                assert torch.get_float32_matmul_precision() == "highest"
            assert cudnn.benchmark and cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.benchmark, cudnn.allow_tf32 = before[1:]


def test_there_is_a_ratio_for_each_plain_way_and_a_row_of_the_table(monkeypatch):
    def work(units):
        return lambda: units

    clock = iter(range(10**6))
    monkeypatch.setattr(speed, "TARGET_SEC", 1.0)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))
    works = {"plain": work(2.0), "plain_fp32": work(1.0), "ours": work(6.0)}
    row = speed.compare(works, 3, CPU)
    assert {name: ratio["ratio"] for name, ratio in row["ratios"].items()} == {
        "plain": 3.0,
        "plain_fp32": 6.0,
    }
    row |= {"unit": "steps/s"}
    named = dict.fromkeys(("shape_chw", "base_channels", "batch_size", "num_samples_at_once"), "1")
    named |= dict.fromkeys(("precision", "compile", "fp32_multiplies_as", "repeats"), "1")
    named |= {"plain_workers": 0, "matmul_flops_per_sec": {}, **results.machine(CPU)}
    text = results.table("a GPU", {"mnist": {**named, "train": row}})
    assert "| mnist | training | 2 steps/s | 6 steps/s | 3.00 (3.00 to 3.00) |" in text
    assert "| mnist | training, plain in strict fp32 | 1 steps/s | 6 steps/s | 6.00 " in text
    assert results.machine(CPU)["processor"] in text


def test_the_machine_is_named_by_processor_instructions_and_threads(monkeypatch):
    text = "model name\t: Fast One\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n"
    monkeypatch.setattr(results, "_cpu_info", lambda: text)
    named = results.machine(CPU)
    assert named["processor"] == "Fast One" and named["device"] == "Fast One (amx_bf16)"
    assert named["instructions"] == ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
    assert named["threads"] == torch.get_num_threads() and named["cores"] >= 1


class _ReadOut(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["plain-train", "plain-sample", "ours-train"])
def test_no_way_waits_for_the_device_each_step(name):
    """Plain Adam reads its step counters, which lie on the CPU beside a network on a GPU."""
    net = ways.plain_net(ways.SIZES["tiny"], CPU)
    counters = len(list(net.parameters())) if name == "plain-train" else 0
    work = speed._work(name, ARGUMENTS, CPU)
    work()
    with _ReadOut() as read:
        for _ in range(3):
            work()
    assert read.count == 3 * counters


def test_a_busy_neighbour_is_measured_beside_and_ended(monkeypatch):
    begun = []
    inner = speed.subprocess.Popen

    def popen(*args, **kwargs):
        begun.append(inner(*args, **kwargs))
        return begun[-1]

    monkeypatch.setattr(speed.subprocess, "Popen", popen)
    monkeypatch.setattr(speed, "TARGET_SEC", 0.01)
    alone = {kind: {"median_rate": {"plain": 10.0, "ours": 10.0}} for kind in speed.UNITS}
    found = speed.beside_neighbour(ARGUMENTS, CPU, alone)
    assert set(found) == {"train", "sample"}
    for row in found.values():
        for way in ("plain", "ours"):
            assert row["share_of_alone"][way] == pytest.approx(row["median_rate"][way] / 10)
    assert begun[0].returncode is not None and ways.SIZES["tiny"].batch_size == 16
