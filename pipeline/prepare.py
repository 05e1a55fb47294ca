"""Takes the name of a data set; leaves its train and test split and a summary of both.
What params.yaml asks for and the data do not have is told here, before anything is trained.
Run it with `dvc repro prepare`."""

from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.base.progress import notice
from ncsn.config.limits import check_counts
from ncsn.config.params import load_params
from ncsn.data.images import size_text
from ncsn.data.prepare import prepare
from ncsn.data.split import write_split


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "data", "reference")
    data = prepare(params.data, params.base.seed, params.reference.extractor)
    check_counts(len(data.train.images), len(data.test.images), data.train.images.shape[1:])
    write_split(params.paths.train_images, data.train)
    write_split(params.paths.test_images, data.test)
    write_json(params.paths.data_summary, data.summary)
    for line in data.summary.get("notices", []):
        notice(line)
    return (
        f"prepare: {params.data.name}, {len(data.train.images)} train and"
        f" {len(data.test.images)} test images of {size_text(data.train.images.shape[1:])}"
    )


if __name__ == "__main__":
    entry(main)
