"""The toy stage as a whole: four studies of 2-D densities and the numbers that they leave.

The studies, each in its own file: manifold (Fig. 1 of Song & Ermon 2019), density (Fig. 2), mixing
(Fig. 3), scales (the pitfalls of one noise level). Figures are in figures.py.
"""

from typing import NamedTuple

from torch import Tensor

from ncsn.base.training_names import level_key
from ncsn.config.params import ToyParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.toy.density import DENSE, THIN, DensityStudy, density_study, root_mean_square
from ncsn.toy.manifold import ManifoldStudy, manifold_study
from ncsn.toy.mixing import MixingStudy, mixing_study
from ncsn.toy.scales import ScalesStudy, scales_study


class ToyStudy(NamedTuple):
    """The four studies, for figures and summary."""

    manifold: ManifoldStudy
    density: DensityStudy
    mixing: MixingStudy
    scales: ScalesStudy


def toy_study(params: ToyParams, seed: int) -> ToyStudy:
    """Runs the four studies; each draws from generators named by (seed, study)."""
    p = params
    manifold = manifold_study(
        sigma=p.manifold_sigma, num_steps=p.manifold_steps, batch_size=p.batch_size,
        learning_rate=p.manifold_learning_rate, seed=seed,
    )  # fmt: skip
    density = density_study(
        num_steps=p.density_steps, batch_size=p.batch_size,
        learning_rate=p.density_learning_rate, seed=seed,
    )  # fmt: skip
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
    return ToyStudy(manifold, density, mixing, scales)


def toy_summary(study: ToyStudy) -> dict[str, float]:
    """The numbers of toy.json; std is over seeds, or over networks trained from several starts."""
    return {
        **_manifold_numbers(study.manifold),
        **_density_numbers(study.density),
        **_mixing_numbers(study.mixing),
        **_scales_numbers(study.scales),
    }


def shares_line(study: ToyStudy) -> str:
    """Returns the mean share of the larger mode by sampler, as text."""
    shares = study.mixing.shares.items()
    return ", ".join(f"{name} {float(values.mean()):.3f}" for name, values in shares)


def _manifold_numbers(study: ManifoldStudy) -> dict[str, float]:
    last = max(1, len(study.bare) // 10)
    return {
        "toy/manifold_loss_bare": float(study.bare[-last:].mean()),
        "toy/manifold_loss_noised": float(study.noised[-last:].mean()),
        "toy/manifold_loss_noised_least": study.least,
    }


def _density_numbers(study: DensityStudy) -> dict[str, float]:
    dense, thin = study.density > DENSE, study.density < THIN
    numbers: dict[str, float] = {}
    for name, learned in study.learned.items():
        numbers |= {
            f"toy/{name}_fisher_divergence": float(learned.fisher[-1]),
            f"toy/{name}_error_dense": root_mean_square(learned.error[dense]),
            f"toy/{name}_error_thin": root_mean_square(learned.error[thin]),
            f"toy/{name}_curl": learned.curl,
        }
    return numbers


def _mixing_numbers(study: MixingStudy) -> dict[str, float]:
    numbers = {
        "toy/share_num_seeds": len(study.shares["iid"]),
        "toy/share_num_samples": len(study.samples["iid"]),
        "toy/share_truth": round(study.truth, 6),
    }
    for name, shares in study.shares.items():
        numbers |= _mean_and_std(f"toy/share_{name}", shares)
    return numbers


def _scales_numbers(study: ScalesStudy) -> dict[str, float]:
    numbers: dict[str, float] = {
        "toy/distance_num_networks": study.gap.shape[1],
        "toy/distance_num_samples": study.learned.samples.shape[1],
    }
    for level, sigma in enumerate(study.sigmas.tolist()):
        numbers |= {
            level_key("toy/sigma", level): sigma,
            level_key("toy/gap_error", level): float(study.gap[level].mean()),
            level_key("toy/corruption", level): float(study.corruption[level]),
        }
        for name, quality in (("learned", study.learned), ("exact", study.exact)):
            key = level_key(f"toy/distance_{name}", level)
            numbers |= _mean_and_std(key, quality.distance[level])
    for name, quality in (("learned", study.learned), ("exact", study.exact)):
        numbers |= _mean_and_std(f"toy/distance_{name}_all_levels", quality.distance[-1])
    return numbers


def _mean_and_std(key: str, values: Tensor) -> dict[str, float]:
    """Mean and, of more than one value, standard deviation (ddof 1)."""
    numbers = {f"{key}_mean": float(values.mean())}
    return numbers | ({f"{key}_std": float(values.std())} if len(values) > 1 else {})
