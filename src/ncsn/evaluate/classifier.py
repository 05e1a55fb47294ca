"""The feature extractor for small images: a convolutional classifier trained on the train split.

Inception features mean little for handwritten digits; the 128 activations before this
classifier's last layer take their place. Its file is a plain state dict that also says which
images it takes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import skip_init

from ncsn.base.errors import UserError
from ncsn.base.files import whole_file
from ncsn.base.progress import progress_bar
from ncsn.base.reading import remake_hint
from ncsn.base.rng import generator, mixed_seed
from ncsn.base.tensor_file import load_tensors
from ncsn.data.epochs import batch_indices
from ncsn.data.labels import class_count
from ncsn.runtime.threads import one_thread

FEATURE_LAYER = "128"
MAKER = "`dvc repro reference`"
_WIDTHS = (24, 48, 64, 64)
_SMALLEST_SIDE = 3  # pixels: no map is halved below this
_BATCH = 128  # in training
_EVALUATED = 512  # images at once where no gradient is kept
_LEARNING_RATE = 5e-3
# Without these two the training images lie apart from held-out ones in feature space, by so much
# that a little noise brings them nearer to the held-out ones instead of farther away.
_WEIGHT_DECAY = 0.5
_SHIFT = 1 / 14  # of a side: an image is moved by up to so much, at least a pixel


class Outputs(NamedTuple):
    """What the classifier says of a batch."""

    features: torch.Tensor  # (B,128), not negative
    logits: torch.Tensor  # (B,K)


class Classifier(nn.Module):
    """Convolutions with batch norm that halve the map while it is large, then two linear layers.

    Args:
        image_shape: (C,H,W) of the images it takes.
        num_classes: K.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.in_channels, self.takes = channels, image_shape
        self.register_buffer("image_shape", torch.tensor(image_shape))
        self.convs, self.norms, self.halved = nn.ModuleList(), nn.ModuleList(), []
        for width_out in _WIDTHS[: 4 if min(height, width) >= 48 else 3]:
            # skip_init: the weights are drawn from our own generator, not from the global one
            self.convs.append(skip_init(nn.Conv2d, channels, width_out, 3, padding=1))
            self.norms.append(nn.BatchNorm2d(width_out))
            self.halved.append(min(height, width) // 2 >= _SMALLEST_SIDE)
            if self.halved[-1]:
                height, width = height // 2, width // 2
            channels = width_out
        self.hidden = skip_init(nn.Linear, channels * height * width, int(FEATURE_LAYER))
        self.head = skip_init(nn.Linear, int(FEATURE_LAYER), num_classes)

    def forward(self, images: torch.Tensor) -> Outputs:
        """Returns features and class scores of images (B,C,H,W), uint8 or 0 to 255."""
        if images.shape[1:] != self.takes:
            raise UserError(
                f"images: must be {self.takes} (C,H,W) as those that the classifier was trained"
                f" on, got {tuple(images.shape[1:])}"
            )
        x = images.float() / 127.5 - 1
        for conv, norm, halved in zip(self.convs, self.norms, self.halved, strict=True):
            x = functional.max_pool2d(conv(x), 2) if halved else conv(x)
            x = functional.relu(norm(x))
        features = functional.relu(self.hidden(x.flatten(1)))
        return Outputs(features, self.head(features))


@one_thread()
def train_classifier(
    images: np.ndarray,
    labels: np.ndarray | None,
    num_steps: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> Classifier:
    """Returns a classifier trained with AdamW, the learning rate falling to zero as a cosine.

    Batches of 128 walk through permutations drawn from the seed; the same arguments give the same
    weights, bit for bit on one kind of processor, with however many threads.

    Args:
        images: uint8 (N,H,W,C).
        labels: (N,) integers from 0.
        num_steps: steps of the optimiser.
        seed: names the initial weights and the batches.
        device: where it is trained.

    Returns:
        The classifier, ready to evaluate; the mean square of its features over `images` is 1.

    Raises:
        UserError: there are no labels, or not one for each image.
    """
    checked = _checked_labels(images, labels)
    pixels = torch.from_numpy(images).movedim(-1, 1).to(device)
    targets = torch.from_numpy(checked).long().to(device)
    net = _fresh(pixels, class_count(checked), seed).to(device)
    _fit(net, pixels, targets, num_steps, mixed_seed(seed, "classifier"))
    _scale_features(net.eval(), pixels)
    return net


@one_thread()
@torch.no_grad()
def classifier_accuracy(net: Classifier, images: np.ndarray, labels: np.ndarray | None) -> float:
    """Returns the share of images (N,H,W,C) whose label (N,) has the highest class score."""
    labels, device = _checked_labels(images, labels), net.head.weight.device
    correct = 0
    for start in range(0, len(images), _EVALUATED):
        part = slice(start, start + _EVALUATED)
        guess = net(torch.from_numpy(images[part]).movedim(-1, 1).to(device)).logits.argmax(dim=1)
        correct += int((guess.cpu().numpy() == labels[part]).sum())
    return correct / len(images)


def save_classifier(path: str | Path, net: Classifier) -> None:
    """Writes the state dict; the same weights give the same bytes."""
    state = {name: value.cpu() for name, value in net.state_dict().items()}
    # Through an open file, because torch.save writes the name of a path into the archive.
    with whole_file(path) as partial, open(partial, "wb") as file:
        torch.save(state, file)


def load_classifier(path: str | Path) -> Classifier:
    """Reads what `save_classifier` wrote, onto the CPU and ready to evaluate.

    Raises:
        UserError: the file is missing, damaged, or not of a classifier.
    """
    state = load_tensors(path, MAKER)
    try:
        channels, height, width = state["image_shape"].tolist()
        net = Classifier((channels, height, width), len(state["head.bias"]))
        net.load_state_dict(state)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: not the state of a classifier{remake_hint(MAKER)}") from None
    return net.eval()


def _fresh(pixels: torch.Tensor, num_classes: int, seed: int) -> Classifier:
    channels, height, width = pixels.shape[1:]
    net = Classifier((channels, height, width), num_classes)
    draw = generator(seed, "classifier", "weights")
    for layer in (*net.convs, net.hidden, net.head):  # batch norm starts as the identity
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=draw)
        nn.init.zeros_(layer.bias)
    return net


def _fit(
    net: Classifier, pixels: torch.Tensor, targets: torch.Tensor, num_steps: int, order: int
) -> None:
    """Minimises the cross entropy; `order` names the batches and how their images are shifted."""
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    with (
        torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False),
        progress_bar(num_steps, "step", label="classifier") as bar,
    ):
        for step in range(num_steps):
            batch = batch_indices(len(pixels), _BATCH, order, step).to(pixels.device)
            moved = _shifted(pixels[batch], generator(order, "shift", step))
            loss = functional.cross_entropy(net(moved).logits, targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update()


def _shifted(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Moves half of the images (B,C,H,W) by whole pixels; what enters repeats the border."""
    places, shape = [], (len(images), 1)
    moves = torch.rand(shape, generator=draw) < 0.5
    for side in images.shape[2:]:
        reach = max(1, round(side * _SHIFT))
        offset = moves * torch.randint(-reach, reach + 1, shape, generator=draw)
        places.append((torch.arange(side) + offset).clamp(0, side - 1).to(images.device))
    rows, columns = places
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


@torch.no_grad()
def _scale_features(net: Classifier, pixels: torch.Tensor) -> None:
    """Brings the mean square of the features over the training images to 1.

    Their scale is arbitrary: what the layer before is divided by, the last layer can take up. FID
    grows with its square and KID with its sixth power, so one scale makes seeds comparable.
    """
    squares = sum(float(net(part).features.square().sum()) for part in pixels.split(_EVALUATED))
    scale = (squares / (len(pixels) * int(FEATURE_LAYER))) ** 0.5
    net.hidden.weight /= scale
    net.hidden.bias /= scale
    net.head.weight *= scale


def _checked_labels(images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    if labels is None:
        raise UserError(
            "reference.extractor (value 'classifier'): needs labels, and this data set has none;"
            " set 'inception-v3-compat' and one of its layers in reference.feature_layer"
        )
    if labels.shape != images.shape[:1] or labels.min() < 0:
        raise UserError(
            f"labels: must be {len(images)} integers from 0, one an image, got shape"
            f" {labels.shape}, smallest {labels.min()}"
        )
    return labels
