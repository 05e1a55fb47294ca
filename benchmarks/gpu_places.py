"""The folders of `gpu`: params.yaml made anew, links to the project, and shared networks."""

import os
import shutil
from pathlib import Path

import numpy as np
from gpu_steps import NETWORK, ROOT, SHARED, Place

from ncsn.base.files import whole_file, write_npz
from ncsn.config.params import PARAMS_FILE
from ncsn.config.preset import apply_preset, write_values
from ncsn.runtime.dag import stage_key
from ncsn.train.checkpoint import load_checkpoint
from ncsn.train.loop import CHECKPOINT

LINKED = ("src", "pipeline", "dvc.yaml")


def make_place(place: Place, top: Path) -> Path:
    """Makes a place's folder, or brings it up to date; returns it.

    params.yaml is made anew each time of preset and values: what a call before left in it, or the
    place of another variation, counts for nothing.
    """
    folder = top / place.name
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link(folder / name, ROOT / name)
    draft = folder / f".{PARAMS_FILE.name}.draft"
    shutil.copy(ROOT / PARAMS_FILE, draft)
    apply_preset(place.preset, draft)
    write_values(place.values, draft)
    os.replace(draft, folder / PARAMS_FILE)
    return folder


def share(source: Path, folder: Path) -> None:
    """Brings the files that a variation shares up to those of the place that it varies.

    Args:
        source: folder of that place.
        folder: of the variation.
    """
    for name in SHARED:
        for file in [folder / name, *(folder / name).rglob("*")]:
            if file.is_file() and not (source / file.relative_to(folder)).exists():
                file.unlink()
        for file in [source / name, *(source / name).rglob("*")]:
            shared = folder / file.relative_to(source)
            if file.is_file() and not (shared.exists() and shared.samefile(file)):
                link_file(file, shared)


def link(path: Path, target: Path) -> None:
    """Lets `path` be a symbolic link to `target`, whatever link it was."""
    if path.is_symlink() and os.readlink(path) == str(target):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.link")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    os.replace(draft, path)


def publish_network(folder: Path) -> int:
    """Puts the last checkpoint of an unfinished training where the stage `sample` looks for it.

    The network of another training (other data, params or code) is taken away first, so that it is
    to be called before a training too. The place must have its data.

    Returns:
        The training step that the network has reached; 0 without one.
    """
    published, note, key = folder / NETWORK, folder / "network.key", stage_key("train", folder)
    if not note.exists() or note.read_text() != key:
        published.unlink(missing_ok=True)
        with whole_file(note) as partial:
            partial.write_text(key)
    unfinished = folder / ".work" / f"train-{key}" / CHECKPOINT
    if unfinished.exists() and not (published.exists() and _newer(published, unfinished)):
        link_file(unfinished, published)
    return load_checkpoint(published).step if published.exists() else 0


def _newer(published: Path, unfinished: Path) -> bool:
    """Whether the published network is the unfinished one, or came later: the finished one."""
    return published.stat().st_mtime_ns >= unfinished.stat().st_mtime_ns


def link_file(source: Path, target: Path) -> None:
    """Gives a file a second name, in place of what had that name; copies between file systems."""
    with whole_file(target) as partial:
        partial.unlink()
        try:
            os.link(source.resolve(), partial)
        except OSError:
            shutil.copyfile(source, partial)


def write_small_data(folder: Path) -> tuple[Path, Path]:
    """Writes random grey and coloured images with labels, for the small trial; returns both."""
    rng, written = np.random.default_rng(0), []
    for name, shape in (("grey", (8, 8, 1)), ("coloured", (8, 8, 3))):
        arrays = {}
        for split, count in (("train", 120), ("test", 100)):
            arrays[f"x_{split}"] = rng.integers(256, size=(count, *shape), dtype=np.uint8)
            arrays[f"y_{split}"] = np.arange(count) % 10
        path = folder / f"{name}.npz"
        write_npz(path, **arrays)
        written.append(path)
    return written[0], written[1]
