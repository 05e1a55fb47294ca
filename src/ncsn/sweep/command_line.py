"""The arguments of pipeline/sweep.py."""

import argparse
from collections.abc import Callable

from ncsn.sweep import commands

_MANY = 1_000_000  # more trials than any study's database serves
_MANY_WORKERS = 256  # each is a process with its own clone


def parsed() -> argparse.Namespace:
    """Returns the arguments of the command line; `command` is what to call with them."""
    parser = argparse.ArgumentParser(description="Studies over params.yaml.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def subparser(
        name: str, command: Callable[[argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        made = subparsers.add_parser(name, help=text, description=text)
        made.set_defaults(command=commands.told_of_storage(command))
        if name != "list":
            made.add_argument("study", metavar="STUDY", help="a file in studies/")
            made.add_argument("--size", default="digits", help="of the study; default digits")
            made.add_argument("--model", choices=["network", "oracle"], default="network")
        return made

    run = subparser("run", commands.run, "run a study, or go on with it")
    run.add_argument("--workers", type=_workers, default=1, metavar="N")
    run.add_argument("--trials", type=_count, metavar="N", help="in place of budget.trials")
    run.add_argument("--allow-dirty", action="store_true", help="run the working tree as it is")
    run.add_argument("--fresh", action="store_true", help="keep old trials under another name")
    run.add_argument("--no-tracking", action="store_true", help="leave MLflow alone")
    status = subparser("status", commands.status, "progress, best, failures, time left")
    status.add_argument("--trials", type=_count, metavar="N", help="as given to run")
    subparser("list", commands.list_studies, "study files and what has been run")
    apply = subparser("apply", commands.apply, "write a trial's values into params.yaml")
    chosen = apply.add_mutually_exclusive_group()
    chosen.add_argument("--trial", type=int, metavar="N")
    chosen.add_argument("--best", action="store_true", help="the default")
    save = subparser("save", commands.save, "make the best trials experiments of DVC")
    save.add_argument("--top", type=_count, default=3, metavar="K")
    save.add_argument("--allow-dirty", action="store_true", help="save the working tree")
    confirm = subparser("confirm", commands.confirm, "draw the best again with fresh seeds")
    confirm.add_argument("--top", type=_count, default=3, metavar="K")
    confirm.add_argument("--seeds", type=_count, default=3, metavar="S")
    confirm.add_argument(
        "--num-samples", type=_count, metavar="N", help="images a seed; default: the preset's"
    )
    confirm.add_argument("--allow-dirty", action="store_true", help="run the working tree")
    subparser("report", commands.report, "write reports/sweeps/<study>/")
    return parser.parse_args()


def _count(text: str, limit: int = _MANY) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= limit:
        rule = f"must be a whole number from 1 to {limit}"
        raise argparse.ArgumentTypeError(f"value '{text}': {rule}")
    return int(text)


def _workers(text: str) -> int:
    return _count(text, _MANY_WORKERS)
