"""Takes the name of a preset; writes its values into params.yaml and keeps the comments.
Without a name it lists the presets.
Run it with `python pipeline/preset.py NAME`."""

import argparse

from ncsn.base.entry import entry
from ncsn.config.preset import apply_preset, preset_names


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Write a published setting into params.yaml.")
    parser.add_argument("name", nargs="?", help=", ".join(preset_names()))
    name = parser.parse_args().name
    lines = apply_preset(name) if name else preset_names()
    print("\n".join(lines) or f"params.yaml already is the preset '{name}'")


if __name__ == "__main__":
    entry(main)
