"""The score network as MLflow loads it: a pyfunc model without any class of MLflow's.

MLflow imports this module by name when a logged model is loaded, from the copy of the package that
the model carries, and calls `_load_pyfunc`. Nothing here is imported when a model is logged.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from ncsn.builders.score_net import build_trained_net
from ncsn.train.checkpoint import load_checkpoint


class ScoreModel:
    """Scores of noisy images, by the averaged weights of a checkpoint."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def predict(self, model_input: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns {"score": gradient of the log density, (B, C, H, W), float32}.

        Args:
            model_input: {"x": images in [0, 1] plus noise, (B, C, H, W), float32,
                "level": index of the noise level of each, 0 the noisiest, (B,), int64; after a
                continuous training, of the levels at which it reports}.
        """
        x, level = (torch.from_numpy(np.array(model_input[name])) for name in ("x", "level"))
        with torch.inference_mode():
            return {"score": self.net(x, level).numpy()}


def _load_pyfunc(weights: str) -> ScoreModel:
    """Builds the network of the file `weights` on the CPU; the name is MLflow's."""
    saved = load_checkpoint(weights)
    return ScoreModel(build_trained_net(saved.params, saved.image_shape, saved.ema))
