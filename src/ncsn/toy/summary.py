"""The numbers of toy.json: what each study found, by keys that begin with `toy/`."""

from pathlib import Path

from torch import Tensor

from ncsn.base.training_names import level_key
from ncsn.toy.density import DENSE, THIN, DensityStudy, root_mean_square
from ncsn.toy.energy import CONSTANT, EnergyStudy
from ncsn.toy.manifold import ManifoldStudy
from ncsn.toy.mixing import MixingStudy
from ncsn.toy.objectives import OBJECTIVES, ObjectivesStudy
from ncsn.toy.scales import ScalesStudy
from ncsn.toy.study import ToyStudy


def toy_summary(study: ToyStudy) -> dict[str, float]:
    """Returns all numbers; std is over seeds, median, min and max are over networks."""
    return {
        **_manifold_numbers(study.manifold),
        **_density_numbers(study.density),
        **_energy_numbers(study.energy),
        **_objectives_numbers(study.objectives),
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


def _energy_numbers(study: EnergyStudy) -> dict[str, float]:
    plain, moved = study.energies
    return {
        "toy/energy_constant": CONSTANT,
        "toy/energy_largest_score_change": float((plain.score - moved.score).abs().max()),
        "toy/energy_log_z": plain.log_z,
        "toy/energy_log_z_with_constant": moved.log_z,
        "toy/energy_without_z": plain.unnormalised,
        "toy/energy_without_z_with_constant": moved.unnormalised,
        "toy/energy_log_likelihood": plain.unnormalised - plain.log_z,
        "toy/energy_log_likelihood_with_constant": moved.unnormalised - moved.log_z,
        "toy/energy_log_likelihood_of_truth": study.log_likelihood,
        "toy/energy_upper_share": study.upper_share,
    }


def _objectives_numbers(study: ObjectivesStudy) -> dict[str, float]:
    """Costs in the largest dimension; objectives.csv has them all."""
    numbers: dict[str, float] = {"toy/objectives_dim": int(study.dims[-1])}
    for name in OBJECTIVES:
        numbers |= {
            f"toy/objectives_flops_{name}": int(study.flops[name][-1]),
            f"toy/objectives_points_{name}": float(study.points[name][-1]),
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
            level_key("toy/corruption", level): float(study.corruption[level]),
            **_spread(level_key("toy/gap_error", level), study.gap[level]),
        }
        for name, quality in (("learned", study.learned), ("exact", study.exact)):
            key = level_key(f"toy/distance_{name}", level)
            numbers |= _spread(key, quality.distance[level])
    for name, quality in (("learned", study.learned), ("exact", study.exact)):
        numbers |= _spread(f"toy/distance_{name}_all_levels", quality.distance[-1])
    return numbers


def _mean_and_std(key: str, values: Tensor) -> dict[str, float]:
    """Mean and, of more than one value, standard deviation (ddof 1)."""
    numbers = {f"{key}_mean": float(values.mean())}
    return numbers | ({f"{key}_std": float(values.std())} if len(values) > 1 else {})


def _spread(key: str, values: Tensor) -> dict[str, float]:
    """Median, least and largest value: networks may differ too much for a mean to say anything."""
    parts = {"median": values.quantile(0.5), "min": values.min(), "max": values.max()}
    return {f"{key}_{name}": float(value) for name, value in parts.items()}


def write_objectives_table(study: ObjectivesStudy, folder: Path) -> None:
    """Writes objectives.csv, a row for each dimension and objective, into an existing folder."""
    lines = ["dimension,objective,flops_per_point,points_for_signal_to_noise_1"]
    for place, dim in enumerate(study.dims.tolist()):
        for name in OBJECTIVES:
            flops, points = int(study.flops[name][place]), float(study.points[name][place])
            lines.append(f"{dim},{name},{flops},{points:.6g}")
    (folder / "objectives.csv").write_text("\n".join(lines) + "\n")
