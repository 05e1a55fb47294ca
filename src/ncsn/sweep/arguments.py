"""Types of the arguments of pipeline/sweep.py, each with its rule; options of its launchers."""

import argparse
from typing import Any

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import yaml_value
from ncsn.sweep.launch.launcher import LAUNCHERS
from ncsn.sweep.studies.study import MOST_DRAWS, MOST_TRAININGS

_MANY = 1_000_000  # more trials than any study's database serves
_MANY_WORKERS = 256  # each is a process with its own clone
_MANY_CORES, _MANY_GPUS = 1024, 64  # more than one host has


def count(text: str, limit: int = _MANY) -> int:
    """Returns a whole number from 1 to `limit`."""
    if not text.isdecimal() or not 1 <= int(text) <= limit:
        rule = f"must be a whole number from 1 to {limit}"
        raise argparse.ArgumentTypeError(f"value '{text}': {rule}")
    return int(text)


def setting(text: str) -> tuple[str, Any]:
    """Returns key and value of KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"value '{text}': must be KEY=VALUE")
    try:
        return key.strip(), yaml_value(value, key.strip())
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def text_setting(text: str) -> tuple[str, str]:
    """Returns key and value of KEY=VALUE, the value as it is written."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and key and value):
        raise argparse.ArgumentTypeError(f"value '{text}': must be KEY=VALUE")
    return key.lstrip("-"), value


def draws(text: str) -> int:
    """Returns a number of draws."""
    return count(text, MOST_DRAWS)


def trainings(text: str) -> int:
    """Returns a number of trainings."""
    return count(text, MOST_TRAININGS)


def workers(text: str) -> int:
    """Returns a number of processes."""
    return count(text, _MANY_WORKERS)


def cpus(text: str) -> int:
    """Returns a number of cores."""
    return count(text, _MANY_CORES)


def gpus(text: str) -> float:
    """Returns a whole number of devices, or a share of one."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _MANY_GPUS or (number > 1 and number != int(number)):
        rule = f"must be a whole number from 0 to {_MANY_GPUS}, or a share of one device"
        raise argparse.ArgumentTypeError(f"value '{text}': {rule}")
    return number


def add_launching(parser: argparse.ArgumentParser) -> None:
    """Adds what starts a study's workers, and where."""
    parser.add_argument("--workers", type=workers, default=1, metavar="N")
    what = "processes of this host (default), tasks of Ray or jobs of Slurm"
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local", help=what)
    cores = "cores of each worker, with ray or slurm; default 1"
    parser.add_argument("--cpus-per-worker", type=cpus, metavar="C", help=cores)
    devices = "GPUs of each worker, with ray or slurm; default 0; ray takes a share of one, too"
    parser.add_argument("--gpus-per-worker", type=gpus, default=0.0, metavar="G", help=devices)
    option = "an option of sbatch by its long name, with slurm: partition, time, gres, ..."
    parser.add_argument(
        "--slurm", action="append", type=text_setting, default=[], metavar="KEY=VALUE", help=option
    )
    url = "a git repository with the study's commit, from which the workers take the code"
    parser.add_argument("--source", metavar="URL", help=url)
