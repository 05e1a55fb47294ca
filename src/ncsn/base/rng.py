"""Randomness as an argument: generators named by integers, so that any draw can be repeated alone.

The noise of training step n comes from (seed, stream, n), that of a block of samples from (seed,
stream, block). A resumed run therefore equals an unbroken one, and the batch size decides nothing.
"""

import hashlib

import torch


def mixed_seed(*parts: int | str) -> int:
    """Returns a 63-bit seed that depends on every part and on their order.

    >>> mixed_seed(1, "train", 2) == mixed_seed(1, "train", 3)
    False
    """
    text = "/".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Returns a fresh generator on `device`, seeded by `mixed_seed(*parts)`."""
    return torch.Generator(device=device).manual_seed(mixed_seed(*parts))
