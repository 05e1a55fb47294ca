"""When, where and from which commit the present results were had, as a script beside the page.

The report's page is the same for equal runs, so that these lie in a file of their own, which the
page reads where it finds it. Imports no MLflow.
"""

import json
from datetime import UTC, datetime
from typing import Any

from ncsn.config.params import PathsParams, TrackParams
from ncsn.tracking.finished import Found, look_up
from ncsn.tracking.key import present_key
from ncsn.tracking.links import host_of, run_link
from ncsn.tracking.place import store_uri

_COMMIT, _DIRTY = "mlflow.source.git.commit", "mlflow.source.git.dirty"


def origin_script(paths: PathsParams, track: TrackParams) -> str:
    """Returns a line of JavaScript that gives `window.ncsnRun` what the store says of the run.

    It is null where the store has no such run, or where only MLflow itself could ask it.
    """
    uri = store_uri(track)
    found = look_up(uri, track.experiment, present_key(paths.data_summary))
    value = None if found is None else _origin(found, uri)
    return f"window.ncsnRun = {json.dumps(value)};\n"


def _origin(found: Found, uri: str) -> dict[str, Any]:
    tags = found.tags
    begun = datetime.fromtimestamp(found.started / 1000, UTC)
    commit = tags.get(_COMMIT, "")[:10]
    changed = " with changes" if tags.get(_DIRTY) == "True" else ""
    machine = [tags.get("env.cpu", ""), tags.get("env.gpu", "none").replace("none", "")]
    return {
        "date": f"{begun:%Y-%m-%d %H:%M} UTC",
        "commit": f"commit {commit}{changed}" if commit else "",
        "machine": ", ".join(name for name in machine if name),
        "link": host_of(uri) + run_link(found.experiment_id, found.run_id),
        "serve": "" if uri.startswith("http") else "make ui",
    }
