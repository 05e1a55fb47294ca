"""Upper bounds that the data set on params.yaml, checked before anything is trained.

Early stages call `check_counts` for the sections of all stages, so that a size that a late stage
cannot meet ends the pipeline at its start. The check decides whether a stage runs, never what it
writes.
"""

from collections.abc import Sequence
from math import prod

from ncsn.base.errors import UserError
from ncsn.base.progress import notice
from ncsn.config.params import (
    PARAMS_FILE,
    NoiseParams,
    Params,
    SamplerParams,
    SizeLimit,
    load_params,
    param,
)

MAX_PIXELS = 4096  # values per image: the eigenvalues of a larger covariance take hours
_SECTIONS = (
    "reference",
    "noise",
    "train",
    "sampler",
    "sample",
    "illustrate",
    "neighbours",
    "evaluate",
)


def check_counts(num_train: int, num_test: int, image_shape: Sequence[int]) -> None:
    """Checks params.yaml against the prepared data, and warns where its chain is unstable.

    Args:
        num_train: number of images in the train split.
        num_test: number of images in the test split.
        image_shape: height, width and channels of an image, in any order.

    Raises:
        UserError: a value needs more images than there are, or smaller ones; one line per value.
    """
    params = load_params(*_SECTIONS)
    problems = []
    for key, most, reason in data_limits(params, num_train, num_test):
        value = param(params, key)
        if value is not None and value > most:
            problems.append(f"{key} (value {value}): must be at most {most}{reason}")
    problems += _too_large(params, prod(image_shape))
    if problems:
        raise UserError(f"{PARAMS_FILE}: " + "\n       ".join(problems))
    notice_unstable_step(params.noise, params.sampler)
    if problem := small_floor(params, num_train, num_test):
        notice(problem)


def small_floor(params: Params, num_train: int, num_test: int) -> str | None:
    """Returns why the floor is not at the number of generated images, None where it is."""
    split, most = _other_split(params, num_train, num_test)
    wanted, given = params.sample.num_samples, params.evaluate
    if given.floor_subsets == 0 or given.floor_images is not None or wanted <= most:
        return None
    return (
        f"sample.num_samples (value {wanted}) is more than the {most} images of the {split} split:"
        f" the matched floor is taken at {most}, where a Frechet distance is larger"
    )


def _other_split(params: Params, num_train: int, num_test: int) -> tuple[str, int]:
    """The split that is not the reference, and the number of its images."""
    return ("test", num_test) if params.reference.split == "train" else ("train", num_train)


def data_limits(params: Params, num_train: int, num_test: int) -> list[SizeLimit]:
    """Returns the upper bounds that the number of images sets on counts in params.yaml."""
    num_reference = {"train": num_train, "test": num_test}[params.reference.split]
    reference = f"the {num_reference} images of the {params.reference.split} split"
    against = f"{reference}, which reference.split takes"
    other, num_other = _other_split(params, num_train, num_test)
    return [
        SizeLimit("evaluate.kid_subset_size", num_reference, f", {against}"),
        SizeLimit("evaluate.prc_neighborhood", num_reference - 1, f", less than {against}"),
        SizeLimit("evaluate.floor_images", num_other, f", the images of the {other} split"),
        SizeLimit("illustrate.num_inpainted", num_test, ", the images of the test split"),
        SizeLimit("neighbours.num_neighbours", num_train, ", the images of the train split"),
    ]


def unstable_step(noise: NoiseParams, sampler: SamplerParams) -> str | None:
    """Returns a warning about a step size beyond the stable bound, None for one below it.

    With alpha_i = epsilon sigma_i^2 / sigma_L^2 a chain on N(0, sigma_i^2) settles at the variance
    sigma_i^2 / (1 - epsilon / (4 sigma_L^2)), at every level, and only for epsilon < 4 sigma_L^2.
    """
    bound = 4 * noise.sigma_min**2
    if sampler.epsilon < bound:
        return None
    given, limit = (
        f"sampler.epsilon (value {sampler.epsilon:g})",
        f"4 noise.sigma_min^2 = {bound:g}",
    )
    return f"{given} is not below {limit}: the Langevin chain diverges, the images may be noise"


def notice_unstable_step(noise: NoiseParams, sampler: SamplerParams) -> None:
    """Warns on stderr of a step size beyond the stable bound, which studies may try on purpose."""
    if problem := unstable_step(noise, sampler):
        notice(problem)


def _too_large(params: Params, size: int) -> list[str]:
    if size <= MAX_PIXELS:
        return []
    rule = f"images have {size} values, a pixel covariance at most {MAX_PIXELS}; set it to"
    too_large = {
        f"reference.pixel_frechet (value true): {rule} false": params.reference.pixel_frechet,
        f"train.frechet_samples (value {params.train.frechet_samples}): {rule} 0": (
            params.train.frechet_samples > 0
        ),
    }
    return [line for line, is_on in too_large.items() if is_on]
