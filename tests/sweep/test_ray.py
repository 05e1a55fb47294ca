"""Workers on Ray: simulated nodes, of which one is lost."""

import os
import shutil
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import launched
import pytest

from ncsn.base.errors import UserError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
]
PASSWORD = "cANary9"


@pytest.fixture(scope="module")
def cluster():
    """A head without room for workers, and a node with room for two."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # not pytest's: sockets need a short path
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        # read when Ray is imported: nothing is sent anywhere, and all of it listens on loopback
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 waits for long where cores are busy
        patch.setenv("RAY_TMPDIR", str(folder))
        patch.setenv("RAY_AUTH_TOKEN", "of the tests' own, since Ray would write one to the home")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
        cluster.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield SimpleNamespace(cluster=cluster, folder=folder)
        cluster.shutdown()
    signal.signal(signal.SIGTERM, before)
    shutil.rmtree(folder)


def _launcher(sweep, cpus=1, gpus=0.0):
    from ncsn.sweep.launch.on_ray import RayLauncher

    return RayLauncher(sweep.store.root, sweep.store.params.max_retry, cpus, gpus)


def test_a_lost_nodes_worker_starts_elsewhere_and_its_trial_comes_back(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.setenv("NCSN_TEST", f"postgresql://me:{PASSWORD}@host/db")
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.hangs_until_told)
    lost = cluster.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    cluster.cluster.wait_for_nodes()
    environments = []

    def lose_a_node():
        for entry in launched.await_begun(sweep, 2):
            environments.append(Path(f"/proc/{entry['pid']}/environ").read_text())
        cluster.cluster.remove_node(lost, allow_graceful=False)
        launched.await_begun(sweep, 3)
        launched.let_go(sweep)

    with launched.meanwhile(sweep, lose_a_node):
        launched.run(sweep, _launcher(sweep), 2)
    now = launched.assert_whole(sweep)
    first, second, third, *_ = launched.begun(sweep)
    assert len(now.replaced) == 1 and third["pid"] not in (first["pid"], second["pid"])
    workers = {trial.user_attrs["worker"].partition("/")[2] for trial in now.ended}
    assert len(workers) == 2 and "2" in workers  # the third that has joined
    assert [PASSWORD in text for text in environments] == [True, True]
    told = [path for path in cluster.folder.rglob("*") if path.is_file() and _tells(path)]
    assert told == []


def _tells(path):
    return PASSWORD.encode() in path.read_bytes()


def test_ctrl_c_puts_the_points_back_and_leaves_no_worker(cluster, tmp_path):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.hangs_until_told)

    def interrupt():
        launched.await_begun(sweep, 2)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), launched.meanwhile(sweep, interrupt):
        launched.run(sweep, _launcher(sweep), 2)
    now = launched.of_study(sweep)
    assert len(now.retries) == 2 and not now.running and not now.ended
    assert all(launched.is_gone(entry["pid"]) for entry in launched.begun(sweep))


def test_a_worker_with_an_error_ends_the_others(cluster, tmp_path):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.fails)
    with pytest.raises(UserError, match=r"worker \S+/\d: the first 3 trials of a worker failed"):
        launched.run(sweep, _launcher(sweep), 2)


@pytest.mark.parametrize(
    ("room", "message"),
    [
        ({"gpus": 1.0}, r"--gpus-per-worker \(value 1\): no node .* has more than 0"),
        ({"cpus": 3}, r"--cpus-per-worker \(value 3\): no node .* has more than 2"),
    ],
)
def test_more_than_any_node_has_is_refused_before_any_work(cluster, tmp_path, room, message):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.quick)
    with pytest.raises(UserError, match=message):
        launched.run(sweep, _launcher(sweep, **room), 1)
    assert not launched.begun(sweep)
