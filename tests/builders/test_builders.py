"""The tables from names in params.yaml to objects."""

import pytest
import torch

from ncsn.base.errors import UserError
from ncsn.base.rng import generator
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import BaseParams, ModelParams, SamplerParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.consistent import consistent_annealed
from ncsn.maths.samplers.langevin import annealed_langevin
from ncsn.runtime.device import build_device

SIGMAS = geometric_sigmas(1.0, 0.1, 5)


def _noise():
    draws = generator("noise")
    return lambda x: torch.randn(x.shape, generator=draws)


def _score(x, level):
    return -x


@pytest.mark.parametrize("final_denoise", [False, True])
def test_the_names_of_samplers_stand_for_the_functions(final_denoise):
    sigmas, x = SIGMAS, torch.rand(3, 1, 2, 2, generator=generator("x"))
    options = {"epsilon": 0.01, "final_denoise": final_denoise}
    names = {
        "annealed_langevin": (3, annealed_langevin(sigmas, steps_per_level=3, **options)),
        "consistent_annealed": (1, consistent_annealed(sigmas, **options)),
    }
    for name, (steps, direct) in names.items():
        params = SamplerParams(name=name, steps_per_level=steps, **options)
        calls = []

        def counted(x, level, calls=calls):
            calls.append(level)
            return _score(x, level)

        built = sample(build_sampler(params, sigmas), counted, x, _noise())
        assert torch.equal(built, sample(direct, _score, x, _noise()))
        assert len(calls) == evaluations_per_image(params, 5)


def test_a_network_depends_on_its_seed_and_leaves_the_global_generator_alone():
    model = ModelParams(name="ncsn", base_channels=4)
    before = torch.get_rng_state()
    nets = [build_score_net(model, SIGMAS, (1, 8, 8), seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_device_that_is_not_there_is_named():
    base = {"seed": 1, "checkpoint_every_sec": 60.0, "max_batch_size": 8, "compile": "auto"}
    base |= {"deterministic": False, "devices": 1}
    assert build_device(BaseParams(device="cpu", **base)).type == "cpu"
    with pytest.raises(UserError, match=r"base.device \(value 'cuda:99'\)"):
        build_device(BaseParams(device="cuda:99", **base))
