"""The weights of torch-fidelity's Inception: a file of the user's, or the published one."""

from pathlib import Path

import torch

from ncsn.base.errors import UserError
from ncsn.base.outside import located
from ncsn.data.download import RemoteFile, fetched_files
from ncsn.evaluate.torch_fidelity import INCEPTION, INCEPTION_URL

_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
_A_KEY = "Mixed_6e.branch1x1.conv.weight"


def inception_weights(weights_path: str | None) -> Path:
    """Returns the file of Inception's state dict, downloaded where `weights_path` is None.

    A download lies in torch's hub folder, where torch-fidelity itself looks for it.

    Args:
        weights_path: a state dict of torch-fidelity's Inception, or None.

    Returns:
        A file that exists and holds tensors by name.

    Raises:
        UserError: the file is missing or is not such a state dict, the download failed, or what
            lies in torch's hub folder is not the published file.
    """
    if weights_path is not None:
        return _checked(located(weights_path))
    address, _, name = INCEPTION_URL.rpartition("/")
    (path,) = fetched_files(
        [RemoteFile(name, _SHA256, "file")],
        "checkpoints",
        torch.hub.get_dir(),
        [address],
        otherwise="set reference.weights_path to where it lies",
    )
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
