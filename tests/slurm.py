"""A Slurm of the tests' own: controller, one node and munge, in a temporary folder on loopback."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from unprivileged import common_folder

from ncsn.base.entry import die_with_parent

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATH = f"/usr/sbin:/sbin:{os.environ['PATH']}"  # Debian's daemons are in the first
_START_SEC = 30
_CORES = 3  # of the node, whatever this machine has
_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
PlugStackConfig={folder}/plugstack.conf
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Returns why there can be no Slurm here, None if there can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"{absent[0]} is not installed (Debian's package slurm-wlm)"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root alone"


@contextmanager
def running_slurm() -> Iterator[Path]:
    """Yields the file for SLURM_CONF; the daemons end with the block or with this process."""
    with common_folder() as folder:
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir()
        (folder / "plugstack.conf").touch()
        conf = folder / "slurm.conf"
        ports = {"controller": _free_port(), "node": _free_port()}
        host = socket.gethostname().partition(".")[0]
        conf.write_text(_CONF.format(host=host, folder=folder, cores=_CORES, **ports))
        daemons = []
        try:
            daemons.append(_munge(folder / "munge"))
            daemons += [_daemon(folder, [name, "-D", "-f", conf]) for name in PROGRAMS[1:3]]
            _await_node(conf)
            yield conf
            _end_jobs(conf)
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait()


def _munge(folder: Path) -> "subprocess.Popen[bytes]":
    folder.chmod(0o711)
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    files = {"key": "key", "socket": "socket", "pid": "pid", "log": "log", "seed": "seed"}
    options = [
        f"--{name}{'' if name == 'socket' else '-file'}={folder / file}"
        for name, file in files.items()
    ]
    daemon = _daemon(folder, ["munged", "--foreground", *options])
    _await((folder / "socket").exists, folder)
    return daemon


def _daemon(folder: Path, words: list[object]) -> "subprocess.Popen[bytes]":
    with open(folder / f"{words[0]}.log", "ab") as log:
        return subprocess.Popen(
            list(map(str, words)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": _PATH},
            preexec_fn=partial(die_with_parent, os.getpid()),
        )


def _await_node(conf: Path) -> None:
    def is_idle() -> bool:
        words = ["sinfo", "--noheader", "--format=%T"]
        env = {**os.environ, "SLURM_CONF": str(conf)}
        return subprocess.run(words, env=env, capture_output=True, text=True).stdout == "idle\n"

    _await(is_idle, conf.parent)


def _end_jobs(conf: Path) -> None:
    """What is left of a test that failed; a job's own daemon outlives the node's."""
    env = {**os.environ, "SLURM_CONF": str(conf)}

    def is_empty() -> bool:
        words = ["squeue", "--noheader"]
        return not subprocess.run(words, env=env, capture_output=True, text=True).stdout

    subprocess.run(["scancel", f"--user={getpass.getuser()}"], env=env)
    _await(is_empty, conf.parent)


def _await(condition: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + _START_SEC
    while not condition():
        logs = "".join(path.read_text() for path in folder.glob("*.log"))
        assert time.monotonic() < deadline, logs
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
