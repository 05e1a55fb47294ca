"""Takes the prepared data's summary and params.yaml; prints the settings that NCSNv2's rules give.
`--write` puts them into params.yaml. Needs `dvc repro prepare` first.
Run it with `python pipeline/advise.py [--steps-per-level N] [--overlap C] [--write]`."""

from ncsn.base.entry import entry
from ncsn.config.advice import KEYS, advice_table, data_facts, present_settings
from ncsn.config.advice_options import advice_options
from ncsn.config.params import load_params
from ncsn.config.preset import write_values
from ncsn.maths.techniques import advised_settings


def main() -> None:
    """The command."""
    params = load_params("paths", "data", "noise", "sampler")
    options = advice_options(params.sampler.steps_per_level)
    data = data_facts(params.paths.data_summary, params.data.name)
    advised = advised_settings(
        data.largest_distance, data.dim, options.steps_per_level, options.overlap
    )
    print(
        f"{params.data.name}: {data.dim} values per image; largest distance "
        f"{data.largest_distance} among {data.num_points} training images; "
        f"target overlap {options.overlap}\n"
    )
    print(advice_table(present_settings(params.noise, params.sampler), advised, data))
    if options.write:
        changes = write_values(dict(zip(KEYS, advised, strict=True)))
        print("\n" + ("\n".join(changes) or "params.yaml already has these values"))


if __name__ == "__main__":
    entry(main)
