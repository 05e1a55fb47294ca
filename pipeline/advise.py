"""Takes the prepared data's summary and params.yaml; prints the settings that NCSNv2's rules give.
`--write` puts them into params.yaml. Needs `dvc repro prepare` first.
Run it with `python pipeline/advise.py [--steps-per-level N] [--overlap C] [--write]`."""

import argparse

from ncsn.base.entry import entry
from ncsn.base.errors import UserError
from ncsn.config.advice import KEYS, advice_table, data_facts, present_settings
from ncsn.config.params import load_params
from ncsn.config.preset import write_values
from ncsn.maths.techniques import OVERLAP, PUBLISHED_OVERLAP, advised_settings


def main() -> None:
    """The command."""
    params = load_params("paths", "data", "noise", "sampler")
    args = _arguments(params.sampler.steps_per_level)
    data = data_facts(params.paths.data_summary, params.data.name)
    advised = advised_settings(data.largest_distance, data.dim, args.steps_per_level, args.overlap)
    print(
        f"{params.data.name}: {data.dim} values an image; largest distance "
        f"{data.largest_distance} among {data.num_points} training images; "
        f"target overlap {args.overlap}\n"
    )
    print(advice_table(present_settings(params.noise, params.sampler), advised, data))
    if args.write:
        changes = write_values(dict(zip(KEYS, advised, strict=True)))
        print("\n" + ("\n".join(changes) or "params.yaml already has these values"))


def _arguments(steps_per_level: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Settings by the rules of NCSNv2.")
    parser.add_argument("--steps-per-level", type=int, default=steps_per_level, metavar="N")
    parser.add_argument(
        "--overlap",
        type=float,
        default=OVERLAP,
        metavar="C",
        help=f"least of neighbouring levels; the published ladders have {PUBLISHED_OVERLAP}",
    )
    parser.add_argument("--write", action="store_true", help="into params.yaml")
    args = parser.parse_args()
    if args.steps_per_level < 1:
        raise UserError(f"--steps-per-level (value {args.steps_per_level}): must be at least 1")
    if not 0 < args.overlap < 0.99:
        raise UserError(f"--overlap (value {args.overlap}): must be above 0 and below 0.99")
    return args


if __name__ == "__main__":
    entry(main)
