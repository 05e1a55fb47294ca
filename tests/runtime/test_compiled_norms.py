"""A network with compiled norms is the same function, in one thread and in several.

The compiler of these tests is torch's own capture without code generation: what inductor makes of
it is tested once, slowly.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny_training import batch_of

from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.maths.nets.norm import norm_elu
from ncsn.runtime import compiled_norms
from ncsn.runtime.compiled_norms import compiled_norm
from ncsn.runtime.execution import callable_side_by_side, described_way, network_scores
from ncsn.runtime.memory import Gradients
from ncsn.runtime.way import NORMS, Way

CPU = torch.device("cpu")
SIGMAS = geometric_sigmas(1.0, 0.01, 10)
WAY = Way("bf16", NORMS)


@pytest.fixture(autouse=True)
def fresh_compiler():
    yield
    compiled_norm.cache_clear()
    torch.compiler.reset()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(compiled_norms, "compiled_norm", lambda: compiled_norm("eager"))


def _net():
    return build_score_net(ModelParams(name="ncsn", base_channels=4), SIGMAS, (1, 8, 8), seed=1)


def _objective(*batch):
    return denoising_score_matching(*batch, SIGMAS)


def _gradients(net):
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters()])


def _norm_inputs(count, dtype=torch.bfloat16):
    draws = torch.Generator().manual_seed(count)
    x = torch.randn(count, 8, 4, 4, generator=draws).to(dtype)
    return (
        x.to(memory_format=torch.channels_last).requires_grad_(),
        torch.randn(count, 24, generator=draws).requires_grad_(),
    )


def _check_norm(norm, elu, counts=(5, 3)):
    for count in counts:
        inputs = _norm_inputs(count)
        y, expected = norm(*inputs, 1e-5, elu), norm_elu(*inputs, 1e-5, elu)
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y, expected, rtol=2**-7, atol=2**-7)
        along = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y.dtype)
        mine, theirs = (torch.autograd.grad(z, inputs, along) for z in (y, expected))
        for a, b in zip(mine, theirs, strict=True):
            assert float((a - b).float().norm() / b.float().norm()) < 0.01


@pytest.mark.parametrize("elu", [True, False])
def test_a_compiled_norm_has_the_values_and_gradients_of_the_norm(elu):
    _check_norm(compiled_norm("aot_eager"), elu)


@pytest.mark.slow
def test_the_norm_that_inductor_makes_has_them_too(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    _check_norm(compiled_norm(), elu=True)
    assert any(tmp_path.rglob("*.so"))


def test_all_sizes_of_a_batch_are_one_variant():
    captured = []

    def backend(graph, inputs):
        captured.append(graph)
        return graph.forward

    norm = compiled_norm(backend)
    with torch.no_grad():
        for count in (5, 3, 17):
            norm(*_norm_inputs(count), 1e-5, True)
    assert len(captured) == 1


def test_many_shapes_are_compiled_in_any_thread():
    """torch's own limit of variants is 8, and each thread has a limit of its own."""
    captured = []

    def backend(graph, inputs):
        captured.append(graph)
        return graph.forward

    norm = compiled_norm(backend)

    def call(size):
        x = torch.ones(2, 4, size, size).to(torch.bfloat16)
        with torch.no_grad():
            return norm(x, torch.ones(2, 12), 1e-5, True)

    with ThreadPoolExecutor(1) as pool:
        list(pool.map(call, range(2, 12)))
    assert len(captured) == 10


def test_scores_and_gradients_are_those_of_the_plain_network_in_bf16(quick):
    plain, net = _net(), _net()
    x, level, z = batch_of()
    losses = Gradients(plain).compute(
        _objective, network_scores(plain, CPU, Way("bf16")), x, level, z
    )
    scores = network_scores(net, CPU, WAY)
    mine = Gradients(net).compute(_objective, scores, x, level, z)
    torch.testing.assert_close(mine, losses, rtol=0.02, atol=0.02)
    a, b = _gradients(net), _gradients(plain)
    assert float(torch.dot(a, b) / (a.norm() * b.norm())) > 0.999
    assert described_way(WAY, scores, 2) == {
        "precision": "bf16",
        "compiled": "norms",
        "threads": 2,
    }


def test_several_threads_call_a_compiled_norm_at_once_with_the_same_values():
    norm = compiled_norm("eager")
    inputs = [tensor.detach() for tensor in _norm_inputs(4)]

    def call(_):
        with torch.inference_mode():
            return norm(*inputs, 1e-5, True)

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(4, "draw", torch.set_num_threads, (threads,)) as pool:
        found = list(pool.map(call, range(12)))
    assert all(torch.equal(y, norm_elu(*inputs, 1e-5, True)) for y in found)


def test_a_network_may_be_called_side_by_side():
    net = _net()
    assert callable_side_by_side(network_scores(net, CPU, WAY), net, CPU)


@pytest.mark.slow
def test_parts_of_a_batch_go_through_it_in_threads_of_their_own(quick):
    whole, net = _net(), _net()
    Gradients(whole).compute(_objective, network_scores(whole, CPU, WAY), *batch_of())
    gradients = Gradients(net, num_threads=2)
    gradients.compute(_objective, network_scores(net, CPU, WAY), *batch_of())
    a, b = _gradients(net), _gradients(whole)
    assert float(torch.dot(a, b) / (a.norm() * b.norm())) > 0.999


class _Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y):
        return y.clone()

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("no backward kernel\nand more")


def _broken(place):
    def norm(x, rows, tiny, elu):
        if place == "forward":
            raise RuntimeError("no forward kernel")
        return _Fails.apply(norm_elu(x, rows, tiny, elu))

    return norm


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("place", ["forward", "backward"])
def test_a_compiler_that_fails_is_told_of_once_and_the_norms_run_as_they_are(
    monkeypatch, capsys, place, num_threads
):
    plain, net = _net(), _net()
    expected = Gradients(plain, num_threads=num_threads).compute(
        _objective, network_scores(plain, CPU, Way("bf16")), *batch_of()
    )
    monkeypatch.setattr(compiled_norms, "compiled_norm", lambda: _broken(place))
    scores = network_scores(net, CPU, WAY)
    gradients = Gradients(net, num_threads=num_threads)
    for _ in range(2):
        assert torch.equal(gradients.compute(_objective, scores, *batch_of()), expected)
        assert torch.equal(_gradients(net), _gradients(plain))
    told = capsys.readouterr().err
    assert told.count("notice") == 1 and f"no {place} kernel)" in told
    assert described_way(WAY, scores)["compiled"] == "nothing"


def test_a_mistake_that_no_compiler_made_comes_up(monkeypatch):
    monkeypatch.setattr(compiled_norms, "compiled_norm", lambda: norm_elu)
    scores = network_scores(_net(), CPU, WAY)
    with pytest.raises(RuntimeError):
        scores(torch.ones(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))
