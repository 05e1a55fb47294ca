"""A training says how it ran, and goes on in the precision that it began in."""

import pytest
import torch
from tiny_training import BASE, params_of, task_of

import ncsn.train.loop
from ncsn.base.files import read_json
from ncsn.runtime import compiled_norms, way
from ncsn.runtime.compiled_norms import compiled_norm
from ncsn.train.checkpoint import load_checkpoint, save_checkpoint
from ncsn.train.loop import CHECKPOINT, COST, train

AUTO = BASE.model_copy(update={"compile": "auto", "checkpoint_every_sec": 1e-9})


@pytest.fixture
def fast_bf16(monkeypatch):
    """A processor with bf16 and a compiler, for work of any size; eager stands for inductor."""
    monkeypatch.setattr(way, "BF16_FLOP", 0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(way, "cpp_compiler_works", lambda: True)
    monkeypatch.setattr(compiled_norms, "compiled_norm", lambda: compiled_norm("eager"))
    yield
    compiled_norm.cache_clear()
    torch.compiler.reset()


def _params(**changes):
    return params_of(
        precision="auto", validate_every_steps=100, preview_every_steps=100, **changes
    )


def test_how_a_training_ran_stands_in_checkpoint_and_cost(tmp_path):
    ran = {"precision": "fp32", "compiled": "nothing", "threads": 1}
    assert train(task_of(_params()), _params(), BASE, tmp_path).execution == ran
    assert read_json(tmp_path / COST)["execution"] == ran


def test_a_resume_keeps_the_precision_on_a_machine_that_would_choose_another(
    tmp_path, fast_bf16, monkeypatch, capsys
):
    class Killed(Exception):
        pass

    real, params, task = ncsn.train.loop._step, _params(num_steps=3), task_of(_params())

    def step(task, state, *rest):
        if state.step == 2:
            raise Killed
        real(task, state, *rest)

    monkeypatch.setattr(ncsn.train.loop, "_step", step)
    with pytest.raises(Killed):
        train(task, params, AUTO, tmp_path)
    assert load_checkpoint(tmp_path / CHECKPOINT).execution["precision"] == "bf16"
    monkeypatch.setattr(ncsn.train.loop, "_step", real)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    finished = train(task_of(params), params, AUTO, tmp_path)
    assert finished.execution == {"precision": "bf16", "compiled": "norms", "threads": 1}
    assert capsys.readouterr().err.count("going on in bf16") == 1
    assert all(p.dtype == torch.float32 for p in [*finished.net.values(), *finished.ema.values()])
    moments = finished.optimizer["state"][0]
    assert moments["exp_avg"].dtype == moments["exp_avg_sq"].dtype == torch.float32


def test_a_checkpoint_of_before_says_nothing_of_its_precision(tmp_path):
    saved = train(task_of(_params()), _params(num_steps=1), BASE, tmp_path)
    save_checkpoint(tmp_path / "new.pt", saved)
    fields = torch.load(tmp_path / "new.pt", weights_only=True)
    del fields["execution"]
    torch.save(fields, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").execution == {}
