"""The score network as an MLflow pyfunc model: the code file that MLflow stores with the weights.

MLflow runs this file when the model is saved and when it is loaded; torch and the network are
imported only when it is loaded.
"""

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ScoreModel(PythonModel):
    """Scores of noisy images, with the averaged weights of a checkpoint."""

    def load_context(self, context: PythonModelContext) -> None:
        """Builds the network of the checkpoint on the CPU."""
        from ncsn.build.score_net import build_trained_net
        from ncsn.checkpoint import load_checkpoint

        saved = load_checkpoint(context.artifacts["weights"])
        self.net = build_trained_net(saved.params, saved.image_shape, saved.ema)

    def predict(  # the names and the order of the arguments are MLflow's
        self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Returns {"score": gradient of the log density, (B, C, H, W), float32}.

        Args:
            context: unused.
            model_input: {"x": images in [0, 1] plus noise, (B, C, H, W), float32,
                "level": index of the noise level of each, 0 the noisiest, (B,), int64}.
            params: unused.
        """
        import torch

        x, level = (torch.from_numpy(np.array(model_input[name])) for name in ("x", "level"))
        with torch.inference_mode():
            return {"score": self.net(x, level).numpy()}


set_model(ScoreModel())
