"""Takes the sections noise and model; leaves what the training needs to know of its noise.
With sigmas from a range, or the exact score, the ladder is not in it: moving it trains nothing.
Run it with `dvc repro noise`."""

from ncsn.entry import entry
from ncsn.io import write_json
from ncsn.params import load_params
from ncsn.training_noise import training_noise


def main() -> None:
    """The stage."""
    params = load_params("paths", "noise", "model")
    noise = training_noise(params.noise, params.model.name)
    write_json(params.paths.training_noise, noise)
    print(f"{params.paths.training_noise}: training {noise['training']}")


if __name__ == "__main__":
    entry(main)
