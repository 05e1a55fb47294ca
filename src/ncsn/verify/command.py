"""The command line of pipeline/verify.py, and what each of its words does."""

import argparse

from ncsn.base.errors import UserError
from ncsn.config.params import load_params
from ncsn.verify.here import present_metrics, present_preset, present_run, spreads_over
from ncsn.verify.published import (
    PUBLISHED,
    Published,
    Run,
    read_published,
    with_spreads,
    write_entry,
)
from ncsn.verify.table import paper_lines, verdict_lines
from ncsn.verify.verdicts import verdicts


def run_command_line() -> int:
    """Does what the command line says; returns the exit status, 1 for a run not reproduced."""
    options = _options()
    published, preset = read_published(), present_preset()
    if options.spread:
        return _write_spread(published, preset, options.spread, options.over)
    run = present_run(present_metrics(load_params("paths").paths))
    if options.update:
        return _update(published, preset, run)
    return _verify(published, preset, run)


def _options() -> argparse.Namespace:
    text = "Hold this machine's metrics against the published ones of the same preset."
    parser = argparse.ArgumentParser(description=text)
    one = parser.add_mutually_exclusive_group()
    update = f"write the present run into {PUBLISHED}, and keep the spread that stands there"
    one.add_argument("--update", action="store_true", help=update)
    spread = "write the spread over runs: folders with metrics.json, oracle.json, reference.json"
    one.add_argument("--spread", nargs="+", metavar="FOLDER", help=spread)
    parser.add_argument("--over", metavar="WORDS", help="what differs between these runs")
    options = parser.parse_args()
    if bool(options.spread) != bool(options.over):
        parser.error("--spread FOLDER... and --over WORDS belong together")
    return options


def _verify(published: Published, preset: str, run: Run) -> int:
    papers = paper_lines(published, preset, run.numbers)
    there = published.runs.get(preset)
    if there is None:
        print("\n".join([f"{preset}: no run of it is published", "", *papers]))
        return 0
    if run.conditions != there.conditions:
        rule = f"published under {there.conditions}, measured here under {run.conditions}"
        raise UserError(f"{preset}: the numbers cannot be compared: {rule}")
    found = verdicts(run.numbers, there.numbers)
    others = [
        f"{key} is {run.seeds.get(key)} here, {seed} there"
        for key, seed in there.seeds.items()
        if run.seeds.get(key) != seed
    ]
    notes = [f"other seeds: {'; '.join(others)}"] if others else []
    print("\n".join([*papers, "", *verdict_lines(preset, there, found), *notes]))
    return int(any(verdict.outcome == "not reproduced" for verdict in found))


def _update(published: Published, preset: str, run: Run) -> int:
    before = published.runs.get(preset)
    if before is not None:
        kept = {k: n.spread for k, n in before.numbers.items() if n.spread is not None}
        run = with_spreads(run, kept, before.spread_over)
    write_entry(preset, run)
    print(f"{PUBLISHED}: {preset}, {len(run.numbers)} numbers of {run.date}")
    return 0


def _write_spread(published: Published, preset: str, folders: list[str], over: str) -> int:
    if preset not in published.runs:
        raise UserError(f"{PUBLISHED}: has no run of '{preset}'; write it first with --update")
    run = published.runs[preset]
    spreads = spreads_over(folders, run.conditions)
    write_entry(preset, with_spreads(run, spreads, f"{len(folders)} runs: {over}"))
    print(f"{PUBLISHED}: {preset}, spread of {len(spreads)} numbers over {len(folders)} runs")
    return 0
