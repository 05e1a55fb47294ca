"""The weights of torch-fidelity's Inception: a file of the user's, or the one it downloads."""

import urllib.error
from pathlib import Path

import torch

from ncsn.base.errors import UserError
from ncsn.base.outside import located
from ncsn.evaluate.torch_fidelity import INCEPTION, INCEPTION_URL

_A_KEY = "Mixed_6e.branch1x1.conv.weight"


def inception_weights(weights_path: str | None) -> Path:
    """Returns the file of Inception's state dict, downloaded where `weights_path` is None.

    A download lies in torch's hub folder, where torch-fidelity itself looks for it.

    Args:
        weights_path: a state dict of torch-fidelity's Inception, or None.

    Returns:
        A file that exists and holds tensors by name.

    Raises:
        UserError: the file is missing or is not such a state dict, or the download failed.
    """
    if weights_path is not None:
        return _checked(located(weights_path))
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(INCEPTION_URL).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(INCEPTION_URL, str(path))
        except (urllib.error.URLError, OSError) as error:
            raise UserError(
                f"{path.name} could not be downloaded from {INCEPTION_URL} ({error}); put it"
                f" at {path}, or set reference.weights_path to where it lies"
            ) from None
    return _checked(path)


def _checked(path: Path) -> Path:
    """Refuses all but tensors by name, because torch-fidelity would unpickle anything."""
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"reference.weights_path: {path} is missing; the original is at {INCEPTION_URL}"
        ) from None
    except Exception as error:  # what a broken file raises depends on where it is broken
        raise UserError(
            f"reference.weights_path: {path} is not a state dict ({type(error).__name__})"
        ) from None
    if not isinstance(state, dict) or _A_KEY not in state:
        raise UserError(
            f"reference.weights_path: {path} is not a state dict of {INCEPTION}; the original is"
            f" at {INCEPTION_URL}"
        )
    return path
