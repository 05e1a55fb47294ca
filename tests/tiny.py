"""Params with which all real stages take seconds, for tests that run them as they are."""

from typing import Any

TINY: dict[str, Any] = {
    "base.checkpoint_every_sec": 0.5,
    "reference.classifier_steps": 5,
    "noise.num_levels": 3,
    "model.base_channels": 4,
    "train.num_steps": 12,
    "train.batch_size": 16,
    "train.log_every_steps": 4,
    "train.validate_every_steps": 6,
    "train.preview_every_steps": 6,
    "sampler.steps_per_level": 2,
    "sample.num_samples": 40,
    "sample.block_size": 20,
    "sample.num_trajectory_images": 2,
    "oracle.num_samples": 40,
    "oracle.num_draws": 20,
    "illustrate.num_inpainted": 2,
    "illustrate.num_completions": 2,
    "illustrate.num_baseline": 4,
    "evaluate.kid_subset_size": 20,
    "report.num_grid_images": 16,
    "toy.density_steps": 5,
    "toy.scales_steps": 5,
    "toy.manifold_steps": 5,
    "toy.num_seeds": 2,
    "toy.num_samples": 64,
    "toy.steps_per_level": 5,
    "toy.scales_num_samples": 16,
}
