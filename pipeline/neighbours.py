"""Takes samples, both splits and the reference folder; leaves the nearest training images of a few
samples, between pixels and between features.
Run it with `dvc repro neighbours`."""

from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.base.records import DataRecord, read_record
from ncsn.config.params import load_params
from ncsn.data.split import load_split
from ncsn.evaluate.evaluation import read_samples
from ncsn.evaluate.neighbours import training_neighbours
from ncsn.evaluate.reference import read_reference, read_train_features
from ncsn.runtime.device import build_device


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "reference", "neighbours")
    paths, data_summary = params.paths, read_record(params.paths.data_summary, DataRecord)
    reference = read_reference(paths.reference, params.reference, params.base.seed, data_summary)
    found = training_neighbours(
        read_samples(paths.samples),
        load_split(paths.test_images).images,
        load_split(paths.train_images).images,
        read_train_features(paths.reference, reference, data_summary),
        reference,
        params.neighbours,
        build_device(params.base),
    )
    write_json(paths.neighbours, found)
    return (
        f"{paths.neighbours}: nearest of {found['num_train']} training images to"
        f" {len(found['pixels']['indices'])} samples"
    )


if __name__ == "__main__":
    entry(main)
