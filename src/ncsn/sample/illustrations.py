"""Images that show what the score network can do beside plain samples, and what annealing is for.

Halves of held-out images are filled in (Song & Ermon 2019, Algorithm 2, Fig. 6), and images are
drawn without annealing (Fig. 7). Both go through `draw_samples`, so that an interrupted drawing
goes on and every number comes from named generators.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ncsn.base.rng import mixed_seed
from ncsn.builders.sampler import evaluations_per_image
from ncsn.config.params import IllustrateParams, SampleParams, SamplerParams
from ncsn.data.arrays import as_floats, to_chw
from ncsn.maths.samplers.annealing import Kernel
from ncsn.maths.samplers.inpainting import inpainting
from ncsn.maths.samplers.langevin import annealed_langevin, at_level
from ncsn.maths.types import ScoreFn
from ncsn.sample.blocks import Draw, draw_samples


class Inpainting(NamedTuple):
    """Held-out images and completions of their halves.

    A first axis of 2 names the half that is filled in: the left one, then the right one.
    `originals` is uint8, shape (N, H, W, C); `known` bool, shape (2, H, W), True where pixels were
    given; `completions` uint8, shape (2, N, K, H, W, C), equal to the originals where known.
    """

    originals: np.ndarray
    known: np.ndarray
    completions: np.ndarray


@dataclass(frozen=True)
class Scene:
    """What both illustrations share: the score, its ladder and the chain's settings.

    `image_shape` is (C, H, W).
    """

    score_fn: ScoreFn
    sigmas: Tensor
    image_shape: tuple[int, int, int]
    sampler: SamplerParams
    sample: SampleParams
    max_batch_size: int

    @property
    def evaluations(self) -> int:
        """Network evaluations per image of the annealed chain, which both spend too."""
        return evaluations_per_image(self.sampler, len(self.sigmas))


def images_drawn(params: IllustrateParams) -> int:
    """Returns how many images both illustrations draw, two halves of each inpainted one."""
    return 2 * params.num_inpainted * params.num_completions + params.num_baseline


def known_halves(height: int, width: int) -> np.ndarray:
    """Masks of the pixels that stay when the left or the right half is filled in.

    A middle column of an odd width stays.

    Returns:
        bool, shape (2, H, W), True where known.
    """
    column = np.arange(width)
    kept = np.stack([column >= width // 2, column < width - width // 2])
    return np.broadcast_to(kept[:, None], (2, height, width)).copy()


def draw_inpainting(
    scene: Scene, images: np.ndarray, params: IllustrateParams, folder: Path
) -> Inpainting:
    """Fills in both halves of the first `num_inpainted` images, several times each.

    The chain is Algorithm 2 with the section sampler's epsilon, steps per level and last
    denoising, whatever sampler that section names. All completions are one block, drawn at once
    from noise of its own.

    Args:
        scene: what is drawn with.
        images: held-out images, uint8, shape (M, H, W, C).
        params: counts.
        folder: takes the finished block.

    Raises:
        UserError: a chain left the finite numbers.
    """
    originals = images[: params.num_inpainted]
    known = known_halves(*originals.shape[1:3])
    shape = (len(known), len(originals), params.num_completions)
    count = int(np.prod(shape))
    wanted = scene.sample.model_copy(
        update={
            "seed": mixed_seed(scene.sample.seed, "inpainting"),
            "num_samples": count,
            "block_size": count,
        }
    )
    kernel = _inpainting_kernel(scene, originals, known, params.num_completions)
    draw = Draw(kernel, scene.score_fn, scene.image_shape, scene.evaluations)
    drawn = draw_samples(draw, wanted, scene.max_batch_size, folder).images
    return Inpainting(originals, known, drawn.reshape(*shape, *originals.shape[1:]))


def draw_baseline(scene: Scene, params: IllustrateParams, folder: Path) -> np.ndarray:
    """Draws images by Langevin dynamics at the smallest noise level alone.

    Start and noise are those of the stage `sample`: image i differs from sample i by nothing but
    the annealing. The number of network evaluations is the same.

    Args:
        scene: what is drawn with.
        params: counts.
        folder: takes the finished parts.

    Returns:
        uint8, shape (N, H, W, C).

    Raises:
        UserError: a chain left the finite numbers.
    """
    last = len(scene.sigmas) - 1
    kernel = annealed_langevin(
        scene.sigmas[last:],
        epsilon=scene.sampler.epsilon,
        steps_per_level=scene.evaluations - scene.sampler.final_denoise,
        final_denoise=scene.sampler.final_denoise,
    )
    wanted = scene.sample.model_copy(update={"num_samples": params.num_baseline})
    score_fn = at_level(scene.score_fn, last)
    draw = Draw(kernel, score_fn, scene.image_shape, scene.evaluations)
    return draw_samples(draw, wanted, scene.max_batch_size, folder).images


def _inpainting_kernel(
    scene: Scene, originals: np.ndarray, known: np.ndarray, num_completions: int
) -> Kernel:
    """Algorithm 2 for images ordered by half, original and completion, the last fastest."""
    device = scene.sigmas.device
    clean = as_floats(to_chw(originals).to(device), None)
    clean = clean.repeat_interleave(num_completions, dim=0).repeat(len(known), 1, 1, 1)
    masks = torch.from_numpy(known).to(device)[:, None]
    masks = masks.repeat_interleave(len(originals) * num_completions, dim=0)

    return inpainting(
        clean,
        masks,
        scene.sigmas,
        epsilon=scene.sampler.epsilon,
        steps_per_level=scene.sampler.steps_per_level,
        final_denoise=scene.sampler.final_denoise,
    )
