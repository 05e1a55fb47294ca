"""Takes both splits; leaves the extractor, the reference features and their statistics.
Also measures real against real images: the floor below which no score means anything.
Run it with `dvc repro reference`."""

from ncsn.base import metric_names as keys
from ncsn.base.entry import entry
from ncsn.base.records import write_metrics
from ncsn.config.limits import check_counts
from ncsn.config.params import load_params
from ncsn.data.split import load_split
from ncsn.evaluate.feature_cache import share_features
from ncsn.evaluate.write_reference import write_reference
from ncsn.runtime.ranks import join


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "reference")
    paths, ranks = params.paths, join(params.base)
    train, test = load_split(paths.train_images), load_split(paths.test_images)
    check_counts(len(train.images), len(test.images), train.images.shape[1:])
    share_features((train.images, test.images), params.reference, ranks, paths.work)
    summary = write_reference(
        paths.reference,
        train,
        test,
        params.reference,
        params.base.seed,
        ranks.device,
        paths.work,
    )
    write_metrics(paths.reference_summary, summary)
    return (
        f"{paths.reference}: floor FID {summary[keys.FLOOR_FID]:.4g}"
        f" ({params.reference.extractor}, layer {params.reference.feature_layer})"
    )


if __name__ == "__main__":
    entry(main)
