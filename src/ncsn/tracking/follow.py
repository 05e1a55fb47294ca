"""`python -m ncsn.tracking.follow`: mirrors the growing logs of a training into its run.

`live` starts it beside a training and holds the other end of its standard input. One word there
tells how the training ended; the end of the input without a word means that the training was
killed. In both cases one last pass is made. No error here reaches the training.
"""

import argparse
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError
from ncsn.config.params import load_params
from ncsn.tracking.key import present_key

DONE = "done"  # the other stages and `track` come next, so the run stays open
STATUS = {"failed": "FAILED"}  # of a run whose training ended with this word
_NICENESS = 10  # the training needs the processors more


def main() -> None:
    """Follows the logs named on the command line until standard input ends."""
    options = _options()
    os.nice(_NICENESS)
    try:
        follow(options.logs, options.previews, options.poll_sec)
    except UserError as error:
        sys.exit(masked(f"warning: no live tracking: {error}"))
    except Exception as error:  # whatever it is, it must stay one line beside the progress bar
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        sys.exit(masked(f"warning: live tracking stopped, `track` completes the run: {reason}"))


def follow(logs: Sequence[Path], previews: Path, poll_sec: float) -> None:
    """Mirrors `logs` and `previews` every `poll_sec` seconds while they change.

    A run that has FINISHED is left alone. The key is taken first: params.yaml may be edited while
    the training goes on.
    """
    params = load_params("paths", "track")
    summary = params.paths.data_summary
    key = present_key(summary)
    from ncsn.tracking.configuration import present_run  # MLflow: seconds
    from ncsn.tracking.curve import logged_steps, publish_training
    from ncsn.tracking.run import FINISHED, RUNNING, set_status
    from ncsn.tracking.store import open_store

    store = open_store(params.track)
    run = present_run(store, key, summary)
    run_id = str(run.info.run_id)
    if run.info.status == FINISHED:
        return
    set_status(store.client, run_id, RUNNING)
    logged, seen, ending = logged_steps(store.client, run_id), None, None
    while ending is None:
        ending = _ending(poll_sec)
        now = _stamp(*logs, previews)
        if now != seen:
            logged = publish_training(store.client, run_id, logs, previews, logged)
            seen = now
    if ending != DONE:
        set_status(store.client, run_id, STATUS.get(ending, "KILLED"))


def _ending(wait_sec: float) -> str | None:
    """How the training ended: its word, '' if it was killed, None while it goes on."""
    readable, _, _ = select.select([sys.stdin], [], [], wait_sec)
    return sys.stdin.read().strip() if readable else None


def _stamp(*paths: Path) -> list[tuple[int, int]]:
    """Changes whenever a log or the set of previews does."""
    stats = [path.stat() for path in paths if path.exists()]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("previews", type=Path)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--poll-sec", type=float, default=2.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
