"""Labels that no classifier can be made of are told before anything is trained."""

import runpy
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.data.labels import MAX_CLASSES, check_labels, class_count
from ncsn.data.prepare import prepare
from ncsn.data.split import Split, write_split
from ncsn.evaluate.classifier import train_classifier

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
CLASSES = np.arange(40) % 4

BAD = {
    "negative": (CLASSES - 1, "found -1 at image 0"),
    "ids": (CLASSES * 1_000_003, r"at most 1000, found 1000003 at image 1; renumber both splits"),
    "just above": (np.where(CLASSES == 3, MAX_CLASSES, CLASSES), "found 1000 at image 3"),
    "gap": (CLASSES * 2, "class 1 of 0 to 6 has no image"),
    "from one": (CLASSES + 1, "class 0 of 0 to 4 has no image"),
    "one class": (CLASSES * 0, "at least 2 classes, found only class 0"),
    "more classes than images": (np.arange(40) * 20, "has no image"),
    "none": (None, "needs labels, and the train split has none"),
}


@pytest.mark.parametrize(("labels", "message"), BAD.values(), ids=BAD)
def test_labels_without_a_classifier_are_refused_at_once(labels: Any, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(UserError, match=message) as caught:
        check_labels("classifier", labels, CLASSES)
    assert "inception-v3-compat" in str(caught.value) and "\n" not in str(caught.value)
    assert time.perf_counter() - start < 1
    check_labels("inception-v3-compat", labels, labels)


def test_the_classifier_itself_asks_for_no_memory_by_the_largest_label() -> None:
    with pytest.raises(UserError, match="found 60000000"):
        train_classifier(IMAGES[..., None], np.full(40, 60_000_000), 1, seed=0)


def test_the_rule_at_its_ends() -> None:
    assert class_count(CLASSES) == 4 and class_count(np.arange(2)) == 2
    assert class_count(np.arange(MAX_CLASSES)) == MAX_CLASSES
    check_labels("classifier", CLASSES, CLASSES[:2])  # not every class need be in the test split
    with pytest.raises(UserError, match="test split: class 4 is not among the 4 classes"):
        check_labels("classifier", CLASSES, np.array([0, 4]))
    with pytest.raises(UserError, match="the test split has none"):
        check_labels("classifier", CLASSES, None)


def test_prepare_tells_before_it_reads_an_image(data_params: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=CLASSES * 7)
    params = data_params("npz", path=str(tmp_path / "a.npz"), center_crop=99)
    with pytest.raises(UserError, match="class 1 of 0 to 21 has no image"):
        prepare(params, 1, "classifier")
    with pytest.raises(UserError, match="data.center_crop"):  # which the first image would break
        prepare(params, 1, "inception-v3-compat")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Grey images without classes in a project that scores with the classifier."""
    text = (PROJECT / "params.yaml").read_text()
    assert "name: digits " in text and "  path: null" in text
    text = text.replace("name: digits ", "name: npz ").replace("  path: null", "  path: a.npz")
    (tmp_path / "params.yaml").write_text(text)
    np.savez(tmp_path / "a.npz", images=IMAGES)
    shutil.copy(PROJECT / "dvc.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("stage", ["prepare", "train"])
def test_stages_refuse_what_no_classifier_can_score(
    project: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also `train`: another extractor runs no `prepare`, whose images stay the same."""
    for name in ("train", "test"):
        if stage == "train":
            write_split(project / f"artifacts/data/{name}.npz", Split(IMAGES[..., None], None))
    monkeypatch.chdir(project)
    before = sorted(project.rglob("*"))
    main = runpy.run_path(str(PROJECT / "pipeline" / f"{stage}.py"))["main"]
    with pytest.raises(UserError, match="reference.extractor .* needs labels"):
        main()
    assert sorted(project.rglob("*")) == before
