"""The device that params.yaml asks for."""

import torch

from ncsn.errors import UserError
from ncsn.params import BaseParams


def build_device(params: BaseParams) -> torch.device:
    """Returns base.device; `auto` is the GPU where there is one.

    Raises:
        UserError: the device is not on this machine.
    """
    if params.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(params.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"params.yaml: base.device (value '{params.device}'): "
            f"this machine has {torch.cuda.device_count()} CUDA devices. Use 'auto' or 'cpu'"
        )
    return device
