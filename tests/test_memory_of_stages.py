"""Peak memory of 50,000 images of 32x32x3, each stage in its own process: below 3 GiB."""

import subprocess
import sys

import pytest

LIMIT_MIB = 3 * 1024
MEASURE = """
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

DRAW = """
import sys
from pathlib import Path

import numpy as np

from ncsn.builders.sampler import build_sampler
from ncsn.base.files import write_npz
from ncsn.maths.ladder import geometric_sigmas
from ncsn.config.params import SampleParams, SamplerParams
from ncsn.sample.blocks import Draw, draw_samples

num_samples, folder = int(sys.argv[1]), Path(sys.argv[2])
sigmas = geometric_sigmas(1.0, 0.1, 2)
params = SamplerParams(
    name="annealed_langevin", epsilon=1e-3, steps_per_level=1, final_denoise=False
)
draw = Draw(build_sampler(params, sigmas), lambda x, level: 0.5 - x, (3, 32, 32), 2)
wanted = SampleParams(
    seed=1, num_samples=num_samples, block_size=500, num_trajectory_images=2, precision="fp32"
)
samples = draw_samples(draw, wanted, 512, folder)
write_npz(folder / "samples.npz", arr_0=samples.images)
"""

REFERENCE = """
import sys

import numpy as np
import torch

from ncsn.data.split import Split
from ncsn.evaluate.torch_fidelity import feature_extractor_inceptionv3
from ncsn.config.params import ReferenceParams
from ncsn.evaluate.write_reference import write_reference

Inception = feature_extractor_inceptionv3.FeatureExtractorInceptionV3
forward, calls = Inception.forward, []

def in_the_end_random(self, images):
    calls.append(len(images))
    if len(calls) <= 2:  # the others take long and the same memory
        forward(self, images)
    return (torch.rand(len(images), 2048),)

Inception.forward = in_the_end_random
draws = np.random.default_rng(0)
train, test = (
    Split(draws.integers(256, size=(number, 32, 32, 3), dtype=np.uint8), None)
    for number in (50_000, 10_000)
)
params = ReferenceParams(
    extractor="inception-v3-compat", feature_layer="2048", weights_path=sys.argv[1],
    split="train", classifier_steps=1, pixel_frechet=True,
)
write_reference(sys.argv[2], train, test, params, 1, torch.device("cpu"))
assert sum(calls) == 60_000
"""


def _peak_mib(code, *arguments):
    words = [sys.executable, "-c", code + MEASURE, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.slow
def test_drawing_takes_little_more_than_the_bytes_of_the_images(tmp_path):
    (tmp_path / "1000").mkdir()
    (tmp_path / "50000").mkdir()
    few, many = (_peak_mib(DRAW, n, tmp_path / str(n)) for n in (1_000, 50_000))
    images_mib = 49_000 * 3072 / 2**20
    assert many < LIMIT_MIB
    assert many - few < 1.5 * images_mib, (few, many)


@pytest.mark.slow
def test_preparing_cifar_10_fits(real_data, tmp_path):
    archive = real_data("cifar10.npz")
    code = """
import sys

from ncsn.data.prepare import prepare
from ncsn.data.split import write_split
from ncsn.config.params import DataParams

params = DataParams(
    name="npz", root="raw", path=sys.argv[1], mirrors=(), center_crop=None, image_size=None,
    test_fraction=0.2, num_train=None, num_test=None,
)
data = prepare(params, 1)
write_split(sys.argv[2], data.train)
"""
    peak = _peak_mib(code, archive, tmp_path / "train.npz")
    assert peak < LIMIT_MIB


@pytest.mark.slow
def test_the_real_side_of_cifar_10_fits(inception, tmp_path):
    assert _peak_mib(REFERENCE, inception, tmp_path / "reference") < LIMIT_MIB
