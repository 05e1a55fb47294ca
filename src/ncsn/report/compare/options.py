"""The command line of pipeline/compare.py."""

import argparse
from datetime import UTC, datetime

from ncsn.base.errors import UserError

LAST = 4  # runs that are compared where nothing is named
_EPILOG = (
    "A name is a run's name or id in MLflow, or the beginning of one; a study, whose best trials "
    "are taken; a revision of git, such as HEAD~1; or an experiment of DVC. Quote names that hold "
    "spaces. Nothing is written to a store that --uri names."
)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """Returns the options; `since` is a moment and `tag` a pair.

    Raises:
        UserError: names and filters are given together.
    """
    parser = argparse.ArgumentParser(
        description="Compare runs: which is better, by how much, and what it looks like.",
        epilog=_EPILOG,
    )
    parser.add_argument("names", nargs="*", metavar="RUN", help=f"default: the last {LAST} runs")
    parser.add_argument("--last", type=_count, metavar="N", help="the newest N of those that fit")
    parser.add_argument("--data", metavar="NAME", help="runs of this data set")
    parser.add_argument("--study", metavar="NAME", help="trials of this study")
    parser.add_argument("--tag", type=_pair, metavar="KEY=VALUE", help="runs with this tag")
    parser.add_argument("--since", type=_date, metavar="DATE", help="runs since YYYY-MM-DD")
    parser.add_argument("--trials", type=_count, default=3, metavar="N", help="of a named study")
    parser.add_argument("--uri", metavar="URI", help="another store of MLflow than track.uri")
    parser.add_argument("--out", default="reports/compare", metavar="FOLDER", help="of the page")
    parser.add_argument("--no-log", action="store_true", help="leave MLflow as it is")
    options = parser.parse_args(words)
    filters = (options.last, options.data, options.study, options.tag, options.since)
    if options.names and any(value is not None for value in filters):
        raise UserError("give names, or a filter (--last, --data, --study, --tag, --since)")
    options.no_log |= options.uri is not None
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"value '{text}': must be a whole number from 1 to 1000")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"value '{text}': must be KEY=VALUE")
    return key, value


def _date(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"value '{text}': must be a date, YYYY-MM-DD") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
