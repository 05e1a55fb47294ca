"""Kept features: equal to fresh ones, made once, known by all that decides them, whole or new."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import ReferenceParams
from ncsn.evaluate import feature_cache
from ncsn.evaluate.feature_cache import BLOCK, cached_features, share_features
from ncsn.evaluate.torch_fidelity import _BATCH, CLASSIFIER, INCEPTION
from ncsn.runtime.ranks import ALONE, Ranks
from ncsn.runtime.unfinished import SHARED_WORK

IMAGES = np.random.default_rng(0).integers(0, 256, (2 * BLOCK + 30, 2, 2, 3), dtype=np.uint8)
CPU = torch.device("cpu")
PARAMS = Path(__file__).parents[2] / "params.yaml"


class Counting:
    """An extractor that counts the images it sees; `interrupt_at` ends it at its n-th call."""

    def __init__(self) -> None:
        self.seen, self.calls, self.interrupt_at = 0, 0, 0

    def __call__(
        self, images: np.ndarray, extractor: str, layers: Sequence[str], weights: Path, device: Any
    ) -> dict[str, torch.Tensor]:
        self.calls += 1
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt
        self.seen += len(images)
        rows = torch.from_numpy(images).flatten(1).float()
        return {layer: rows * int(layer) for layer in layers}


@pytest.fixture
def extractor(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(feature_cache, "extract_features", counting)
    monkeypatch.delenv(SHARED_WORK, raising=False)
    return counting


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"one")
    return path


def features(weights: Path, images: np.ndarray = IMAGES, *layers: str) -> dict[str, torch.Tensor]:
    names = layers or ("768",)
    return cached_features(images, INCEPTION, names, weights, CPU, weights.parent / "work")


def test_a_second_look_costs_nothing_and_gives_the_same(
    extractor: Counting, weights: Path
) -> None:
    direct = extractor(IMAGES, INCEPTION, ["768"], weights, CPU)["768"]
    first, second = features(weights)["768"], features(weights)["768"]
    assert extractor.seen == 2 * len(IMAGES)  # the direct one, and the first of the two
    assert torch.equal(first, direct) and torch.equal(second, direct)


def test_all_that_decides_a_feature_is_in_its_name(
    extractor: Counting, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, seen = IMAGES[:40], []
    other = few.copy()
    other[0, 0, 0, 0] ^= 1
    features(weights, few)
    for images, layers in [(other, ("768",)), (few[::-1].copy(), ("768",)), (few, ("64", "768"))]:
        features(weights, images, *layers)
        seen.append(extractor.calls)
    weights.write_bytes(b"two")
    features(weights, few)
    monkeypatch.setattr(feature_cache, "code_hash", lambda text: "another version")
    features(weights, few)
    monkeypatch.setattr(feature_cache, "version", lambda name: "0.0")
    features(weights, few)
    assert seen == [2, 3, 4] and extractor.calls == 7


def test_an_interrupted_call_goes_on_after_its_last_block(
    extractor: Counting, weights: Path
) -> None:
    extractor.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        features(weights)
    extractor.interrupt_at = 0
    features(weights)
    assert extractor.seen == len(IMAGES)


def test_a_damaged_file_is_made_anew(extractor: Counting, weights: Path) -> None:
    whole = features(weights)["768"]
    files = sorted((weights.parent / "work" / "features").glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    np.savez(files[1], **{"768": np.zeros((3, 12), np.float32)})
    assert torch.equal(features(weights)["768"], whole)
    assert extractor.calls == len(files) + 2


def test_what_was_used_longest_ago_goes_first(
    extractor: Counting, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [IMAGES[i : i + 100] for i in (0, 100, 200)]
    folder = weights.parent / "work" / "features"
    for age, images in enumerate(sets[:2]):
        before = set(folder.glob("*.npz"))
        features(weights, images)
        (new,) = set(folder.glob("*.npz")) - before
        os.utime(new, (age, age))
    features(weights, sets[0])  # now the second one is the older
    size = max(path.stat().st_size for path in folder.glob("*.npz"))
    monkeypatch.setattr(feature_cache, "MAX_BYTES", 2 * size)
    features(weights, sets[2])
    calls = extractor.calls
    features(weights, sets[0])
    assert extractor.calls == calls
    features(weights, sets[1])
    assert extractor.calls == calls + 1


def test_only_where_it_pays_and_is_wanted(extractor: Counting, weights: Path) -> None:
    work = weights.parent / "work"
    for name, place in [(CLASSIFIER, work), (INCEPTION, None)]:
        cached_features(IMAGES, name, ["128"], weights, CPU, place)
    assert extractor.calls == 2 and not work.exists()
    assert BLOCK % _BATCH[INCEPTION] == 0  # so that blocks move no digit


def test_a_folder_of_another_maker_is_left_alone(extractor: Counting, weights: Path) -> None:
    foreign = weights.parent / "work" / "features" / "thesis.txt"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    with pytest.raises(UserError, match="ncsn did not make it"):
        features(weights)
    assert foreign.exists()


class Dealing(Ranks):
    """One rank of several that are tried one after the other: none waits or ends."""

    def wait(self) -> None:
        pass

    def only_first_goes_on(self) -> None:
        pass


def test_ranks_share_the_features_that_are_then_read(
    extractor: Counting, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "inception_weights", lambda path: weights)
    params = ReferenceParams(**read_yaml(PARAMS)["reference"]).model_copy(
        update={"extractor": INCEPTION, "feature_layer": "768"}
    )
    other, seen = IMAGES[: BLOCK + 1] ^ 1, []
    for rank in range(2):
        share_features([IMAGES, other], params, Dealing(CPU, rank, 2), weights.parent / "work")
        seen.append(extractor.seen)
    assert seen == [BLOCK + 30 + BLOCK, len(IMAGES) + len(other)]
    features(weights), features(weights, other)
    assert extractor.seen == seen[-1]


def test_one_process_and_the_classifier_share_nothing(extractor: Counting, tmp_path: Path) -> None:
    params = ReferenceParams(**read_yaml(PARAMS)["reference"])
    share_features([IMAGES], params, Dealing(CPU, 0, 2), tmp_path)
    inception = params.model_copy(update={"extractor": INCEPTION, "feature_layer": "768"})
    share_features([IMAGES], inception, ALONE, tmp_path)
    assert extractor.calls == 0 and list(tmp_path.iterdir()) == []
