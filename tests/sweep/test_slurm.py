"""Workers as jobs of a Slurm of the tests' own."""

import os
import signal
import subprocess
import time
from importlib.util import find_spec

import launched
import pytest
import slurm

from ncsn.base.errors import UserError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("submitit") is None, reason="the extra `slurm` is not installed"),
]


@pytest.fixture(scope="module")
def conf():
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.running_slurm() as conf:
        yield conf


@pytest.fixture
def launcher(conf, tmp_path, monkeypatch):
    """Makes a launcher of one-core workers, with options of sbatch."""
    monkeypatch.setenv("SLURM_CONF", str(conf))
    from ncsn.sweep.launch.slurm.launcher import SlurmLauncher

    return lambda **options: SlurmLauncher.checked(tmp_path, 2, 1, 0, options)


def _jobs():
    """Ids of the jobs in the queue and their states."""
    words = ["squeue", "--noheader", "--array", "--format=%i %T"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def test_a_job_whose_time_is_up_puts_its_trial_back_and_is_requeued(launcher, tmp_path, capsys):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.hangs_until_told)

    def announce_the_end():
        launched.await_begun(sweep, 2)
        subprocess.run(["scancel", "--signal=USR2", min(_jobs())], check=True)
        launched.await_begun(sweep, 3)
        launched.let_go(sweep)

    with launched.meanwhile(sweep, announce_the_end):
        launched.run(sweep, launcher(time="30"), 2)
    now = launched.assert_whole(sweep)
    assert [t.user_attrs["reason"] for t in now.replaced] == ["interrupted, to be tried again"]
    said = capsys.readouterr().out
    assert "2 running" in said and "1 pending, 1 running" in said
    assert "trial 7 (sampler)" in said  # of the workers' logs
    assert not list((tmp_path / ".work" / "slurm").iterdir())


def test_a_job_that_gives_way_is_requeued_with_its_trial_put_back(launcher, tmp_path):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.hangs_until_told)

    def preempt():
        launched.await_begun(sweep, 1)
        subprocess.run(["scontrol", "requeue", min(_jobs())], check=True)
        launched.await_begun(sweep, 2)
        launched.let_go(sweep)

    with launched.meanwhile(sweep, preempt):
        launched.run(sweep, launcher(), 1)
    now = launched.assert_whole(sweep)
    assert [t.user_attrs["reason"] for t in now.replaced] == ["interrupted, to be tried again"]


def test_ctrl_c_cancels_the_jobs_of_this_run_and_no_others(launcher, tmp_path):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.hangs_until_told)
    other = ["sbatch", "--parsable", f"--output={tmp_path}/other", "--wrap", "sleep 300"]
    kept = subprocess.run(other, capture_output=True, text=True, check=True).stdout.strip()

    def interrupt():
        launched.await_begun(sweep, 2)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), launched.meanwhile(sweep, interrupt):
        launched.run(sweep, launcher(), 2)
    time.sleep(2)  # jobs leave the queue after their processes
    assert _jobs() == {kept: "RUNNING"}
    subprocess.run(["scancel", kept], check=True)
    now = launched.of_study(sweep)
    assert len(now.retries) == 2 and not now.running and not now.ended
    assert all(launched.is_gone(entry["pid"]) for entry in launched.begun(sweep))


def test_a_worker_with_an_error_ends_the_others(launcher, tmp_path):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.fails)
    with pytest.raises(UserError, match=r"worker \S+/\d: the first 3 trials of a worker failed"):
        launched.run(sweep, launcher(), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partition": "none"}, "sbatch refuses: .*invalid partition specified: none"),
        ({"no_such": "1"}, "sbatch refuses: .*unrecognized option '--no-such=1'"),
        ({"array": "0-9"}, "--slurm array: is set by the launcher itself"),
        ({"cpus-per-task": "2"}, "--slurm cpus-per-task: is set by --cpus-per-worker"),
    ],
)
def test_an_option_that_slurm_cannot_take_is_one_line(
    launcher, tmp_path, capsys, options, message
):
    sweep = launched.made_sweep(tmp_path, launched.fake_pipeline.quick)
    with pytest.raises(UserError, match=message) as refusal:
        launched.run(sweep, launcher(**options), 1)
    assert "\n" not in str(refusal.value) and not capsys.readouterr().err
    assert not launched.begun(sweep) and not _jobs()
