"""Takes the sections noise and model; leaves what the training needs to know of its noise.
With sigmas from a range, or the exact score, the ladder is not in it: moving it trains nothing.
Run it with `dvc repro noise`."""

from ncsn.base.entry import entry
from ncsn.base.files import write_json
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import load_params


def main() -> str:
    """The stage."""
    params = load_params("paths", "noise", "model")
    noise = training_noise(params.noise, params.model.name)
    write_json(params.paths.training_noise, noise)
    return f"{params.paths.training_noise}: training {noise['training']}"


if __name__ == "__main__":
    entry(main)
