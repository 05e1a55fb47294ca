"""MLflow's pages: on loopback, for no other host name, with links in the mode that shows runs."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from ncsn.config.params import load_params
from ncsn.tracking.run import find_or_create_run
from ncsn.tracking.server import addresses, free_port, serving
from ncsn.tracking.store import open_store


def test_the_server_answers_here_and_refuses_other_names(project: Path) -> None:
    track = load_params("track").track
    open_store(track)
    with serving(track, port=free_port(5600)) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=30) as page:
            assert b"<title>MLflow</title>" in page.read()
        foreign = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(foreign, timeout=30)
        assert error.value.code == 403
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{address}/health", timeout=5)


def test_links_open_the_runs_in_the_mode_that_shows_them(
    project: Path, stored_view: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = load_params("track").track
    store = open_store(track)
    assert len(addresses(track)) == 2
    find_or_create_run(store, "older", "older")
    two = [find_or_create_run(store, key, key).info.run_id for key in ("a", "b")]
    assert len(addresses(track)) == 8
    monkeypatch.setattr("ncsn.tracking.server._NUM_COMPARED", 2)
    links = addresses(track)
    assert "viewStateShareKey=ncsn" in links["table of all runs"]
    assert "/artifacts/samples.png" in links["its samples"]
    assert all("workflowType=machine_learning" in link for link in links.values())
    assert "viewStateShareKey=ncsn-newest" in links["newest 2 runs compared"]
    wanted = stored_view(store, "ncsn-newest")["searchFilter"]
    shown = store.client.search_runs([store.experiment_id], wanted)
    assert {run.info.run_id for run in shown} == set(two)
