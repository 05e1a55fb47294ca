"""What a chain costs."""


def network_evaluations(num_levels: int, steps_per_level: int, final_denoise: bool) -> int:
    """Returns how often one image is put into the network: at each step, and to denoise it."""
    return num_levels * steps_per_level + final_denoise
