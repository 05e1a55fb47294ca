"""The table of data sets: where the images of each come from.

Adding one means adding a row to SOURCES and, if it is downloaded, to PUBLIC. Hashes of the MNIST
and Fashion-MNIST files are of their uncompressed IDX content.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncsn.base.outside import existing, located
from ncsn.config.params import DataParams
from ncsn.data.download import RemoteFile, fetched_files
from ncsn.data.folders import read_celeba, read_folder
from ncsn.data.images import RawSplits, array_images
from ncsn.data.readers import read_cifar10, read_idx_split, read_npz_splits
from ncsn.data.remarks import Remarks
from ncsn.data.split import Split


class PublicFiles(NamedTuple):
    """Files of a data set that is downloaded.

    Attributes:
        mirrors: addresses of folders, tried in this order.
        files: what each of them holds.
    """

    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]


PUBLIC: Mapping[str, PublicFiles] = {
    "mnist": PublicFiles(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "content",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "content",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "content",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                "content",
            ),
        ),
    ),
    "fashion_mnist": PublicFiles(
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        ),
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "content",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "content",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "content",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                "content",
            ),
        ),
    ),
    "cifar10": PublicFiles(
        ("https://www.cs.toronto.edu/~kriz",),
        (
            RemoteFile(
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                "file",
            ),
        ),
    ),
}


def public_paths(params: DataParams) -> list[Path]:
    """Returns where the files of the public data set `params.name` lie (see `fetched_files`)."""
    public = PUBLIC[params.name]
    return fetched_files(
        public.files, params.name, located(params.root), (*params.mirrors, *public.mirrors)
    )


def _digits(params: DataParams) -> RawSplits:
    # Imported here because scikit-learn takes a second to load, for this one data set
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    split = Split(images, digits.target.astype(np.int64))
    return RawSplits(array_images(split, "digits"), None, Remarks())


def _idx(params: DataParams) -> RawSplits:
    train_images, train_labels, test_images, test_labels = public_paths(params)
    return RawSplits(
        array_images(read_idx_split(train_images, train_labels), str(train_images)),
        array_images(read_idx_split(test_images, test_labels), str(test_images)),
        Remarks(),
    )


def _cifar10(params: DataParams) -> RawSplits:
    (path,) = public_paths(params)
    train, test = read_cifar10(path)
    return RawSplits(array_images(train, str(path)), array_images(test, str(path)), Remarks())


def _npz(params: DataParams) -> RawSplits:
    path = existing("data.path", params.path, "file")
    train, test = read_npz_splits(path)
    held_out = None if test is None else array_images(test, str(path))
    return RawSplits(array_images(train, str(path)), held_out, Remarks())


def _celeba(params: DataParams) -> RawSplits:
    return read_celeba(existing("data.path", params.path, "folder"))


def _folder(params: DataParams) -> RawSplits:
    return read_folder(existing("data.path", params.path, "folder"))


SOURCES: Mapping[str, Callable[[DataParams], RawSplits]] = {
    "digits": _digits,
    "mnist": _idx,
    "fashion_mnist": _idx,
    "cifar10": _cifar10,
    "celeba": _celeba,
    "npz": _npz,
    "folder": _folder,
}
