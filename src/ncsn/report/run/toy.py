"""A sentence for each toy study, with the numbers that its figure shows (docs/toy.md has more)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ncsn.base.numbers import with_error
from ncsn.base.progress import quantity
from ncsn.base.training_names import level_key
from ncsn.report.template import number

TOY_NUMBERS = tuple(  # what the sentences need
    f"toy/{name}"
    for name in (
        *("manifold_loss_bare", "manifold_loss_noised", "manifold_loss_noised_least"),
        *("direct_error_dense", "direct_error_thin", "energy_error_dense", "energy_error_thin"),
        *("energy_constant", "energy_largest_score_change", "energy_log_likelihood"),
        *("energy_log_likelihood_of_truth", "objectives_dim", "objectives_flops_implicit"),
        *("objectives_flops_sliced_vr", "objectives_flops_denoising_large"),
        *("objectives_points_implicit", "objectives_points_sliced_vr"),
        *("objectives_points_denoising_large", "share_truth", "share_num_seeds"),
        *("share_langevin_mean", "share_annealed_mean", "distance_num_networks"),
        *("sigma_level_00", "distance_learned_level_00_median"),
        "distance_learned_all_levels_median",
    )
)


class ToyNote(NamedTuple):
    """What stands above a figure: what it is about, and what was found."""

    title: str
    text: str


def toy_notes(numbers: Mapping[str, Any]) -> dict[str, ToyNote]:
    """Returns a title and a sentence by study.

    Args:
        numbers: of the toy stage, by keys that begin with `toy/`.
    """
    n = {key.removeprefix("toy/"): value for key, value in numbers.items()}
    return {
        "manifold": ToyNote(
            "Data on a line have no score (Fig. 1)",
            f"The loss falls without end, here to {_short(n['manifold_loss_bare'])}. Noise too "
            f"small to be seen gives it a minimum: {_short(n['manifold_loss_noised'])}, where "
            f"{_short(n['manifold_loss_noised_least'])} is the least possible.",
        ),
        "density": ToyNote(
            "A learned score is right where data are (Fig. 2)",
            f"Its error is {_short(n['direct_error_dense'])} where data are dense and "
            f"{_short(n['direct_error_thin'])} where they are thin; that of a network that gives "
            f"an energy {_short(n['energy_error_dense'])} and {_short(n['energy_error_thin'])}.",
        ),
        "energy": ToyNote(
            "The normalising constant is out of the way",
            f"With {n['energy_constant']:g} added to the energy the score changes by "
            f"{_short(n['energy_largest_score_change'])}, and the log-likelihood, which needs Z, "
            f"stays at {_short(n['energy_log_likelihood'])}; the true density has "
            f"{_short(n['energy_log_likelihood_of_truth'])}.",
        ),
        "objectives": ToyNote("What the exact trace costs", _costs(n)),
        "mixing": ToyNote(
            "Langevin dynamics keeps the shares of its start (Fig. 3)",
            f"The larger mode has {n['share_truth']:g} of the mass. Langevin dynamics leaves "
            f"{_mean(n, 'share_langevin')} of its samples there, annealing "
            f"{_mean(n, 'share_annealed')} (± over {n['share_num_seeds']} seeds).",
        ),
        "scales": ToyNote("One level of noise, or all in turn", _scales(n)),
    }


def _costs(n: Mapping[str, Any]) -> str:
    exact, sliced = (n[f"objectives_flops_{name}"] for name in ("implicit", "sliced_vr"))
    return (
        f"In {n['objectives_dim']:,} dimensions the exact trace takes {quantity(exact, 'FLOP')} a "
        f"point, variance-reduced slices {quantity(sliced, 'FLOP')} and denoising "
        f"{quantity(n['objectives_flops_denoising_large'], 'FLOP')}; for a gradient as long as "
        f"its noise they need {_short(n['objectives_points_implicit'])}, "
        f"{_short(n['objectives_points_sliced_vr'])} and "
        f"{_short(n['objectives_points_denoising_large'])} points."
    )


def _scales(n: Mapping[str, Any]) -> str:
    alone = {
        n[level_key("sigma", level)]: n[f"{level_key('distance_learned', level)}_median"]
        for level in range(len(n))
        if f"{level_key('distance_learned', level)}_median" in n and level_key("sigma", level) in n
    }
    best = min(alone, key=alone.__getitem__)
    networks = n["distance_num_networks"]
    of = f"median of {networks} networks" if networks > 1 else "one network"
    return (
        f"Energy distance of the samples from the data, {of}: with the best single level, sigma "
        f"{best:.2g}, {_short(alone[best])}; with all levels in "
        f"turn {_short(n['distance_learned_all_levels_median'])}."
    )


def _mean(n: Mapping[str, Any], key: str) -> str:
    return with_error(n[f"{key}_mean"], n.get(f"{key}_std"))


def _short(value: float) -> str:
    return number(value)
