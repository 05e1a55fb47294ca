"""The toy stage as a whole: its studies, run with the values of params.yaml.

The studies, each in its own file: manifold (Fig. 1 of Song & Ermon 2019), density (Fig. 2), energy
(what a constant in the energy changes), objectives (the cost of the exact trace), mixing (Fig. 3),
scales (the pitfalls of one noise level). summary.py has their numbers, figures.py their pictures.
"""

from typing import NamedTuple, cast

from ncsn.config.params import ToyParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.nets.mlp import EnergyScore
from ncsn.toy.density import DensityStudy, density_study
from ncsn.toy.energy import EnergyStudy, energy_study
from ncsn.toy.manifold import ManifoldStudy, manifold_study
from ncsn.toy.mixing import MixingStudy, mixing_study
from ncsn.toy.objectives import ObjectivesStudy, objectives_study
from ncsn.toy.scales import ScalesStudy, scales_study


class ToyStudy(NamedTuple):
    """All studies, for figures and summary."""

    manifold: ManifoldStudy
    density: DensityStudy
    energy: EnergyStudy
    objectives: ObjectivesStudy
    mixing: MixingStudy
    scales: ScalesStudy


def toy_study(params: ToyParams, seed: int) -> ToyStudy:
    """Runs all studies; each draws from generators named by (seed, study)."""
    p = params
    manifold = manifold_study(
        sigma=p.manifold_sigma, num_steps=p.manifold_steps, batch_size=p.batch_size,
        learning_rate=p.manifold_learning_rate, seed=seed,
    )  # fmt: skip
    density = density_study(
        num_steps=p.density_steps, batch_size=p.batch_size,
        learning_rate=p.density_learning_rate, seed=seed,
    )  # fmt: skip
    energy = energy_study(cast(EnergyScore, density.learned["energy"].net), seed)
    objectives = objectives_study(
        dims=p.objectives_dims, num_draws=p.objectives_num_draws, seed=seed
    )
    mixing = mixing_study(
        sigmas=geometric_sigmas(p.sigma_max, p.sigma_min, p.num_levels), epsilon=p.epsilon,
        steps_per_level=p.steps_per_level, num_samples=p.num_samples, num_seeds=p.num_seeds,
        seed=seed,
    )  # fmt: skip
    scales = scales_study(
        sigmas=geometric_sigmas(p.scales_sigma_max, p.scales_sigma_min, p.scales_num_levels),
        num_steps=p.scales_steps, batch_size=p.batch_size,
        learning_rate=p.scales_learning_rate, epsilon=p.epsilon,
        steps_per_level=p.steps_per_level, num_samples=p.scales_num_samples,
        num_copies=p.scales_num_networks, seed=seed,
    )  # fmt: skip
    return ToyStudy(manifold, density, energy, objectives, mixing, scales)
