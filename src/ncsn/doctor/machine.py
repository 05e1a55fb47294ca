"""Checks of the machine: Python, packages, processor, compiler, GPU, memory, disk, port."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from ncsn.base.machine import cpu_name, output_of
from ncsn.doctor.lines import Line, fine, mend, note

LEAST_PYTHON = (3, 11)
_FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve")
_GIB = 2**30
_LEAST_MEMORY = 2 * _GIB  # CIFAR-10's reference takes 1.5 GiB
_LEAST_DISK, _ROOMY_DISK = _GIB // 5, 5 * _GIB  # the default leaves 15 MB; colour sets, gigabytes
_MOST_SHOWN = 4


def python() -> Line:
    """Python's version."""
    version = platform.python_version()
    if sys.version_info[:2] < LEAST_PYTHON:
        return mend(f"{version}; 3.11 or newer is needed: make PYTHON=/path/to/python3.11 setup")
    return fine(f"{version}, {sys.executable}")


def packages() -> Line:
    """Whether what pyproject.toml asks for is installed, in the versions of constraints.txt."""
    import tomllib  # of Python 3.11; an older one is to be told so by the line before

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    names = [_name(text) for text in project["dependencies"]]
    installed = {name: _version(name) for name in names}
    if missing := [name for name, version in installed.items() if version is None]:
        return mend(f"{_some(missing)} not installed; run `make setup`")
    pins = _pins(Path("constraints.txt"))
    others = [
        f"{name} {version} ({pins[name]})"
        for name, version in installed.items()
        if name in pins and str(version).partition("+")[0] != pins[name]
    ]
    if others:
        return note(f"not the versions that were tested (in brackets): {_some(others)}")
    return fine(f"{len(names)}, as in constraints.txt")


def cpu() -> Line:
    """The processor: cores of this process, and what of it fast kernels use."""
    import torch

    found = torch.cpu.get_capabilities()
    features = [name for name in _FEATURES if found.get(name)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    text = f"{cpu_name()}, {cores} cores, {threads} threads: {', '.join(features) or 'no SIMD'}"
    if platform.machine() in ("x86_64", "AMD64") and "avx2" not in features:
        return note(f"{text}; without AVX2 torch is slow")
    return fine(text)


def compiler() -> Line:
    """The C++ compiler that torch.compile calls."""
    from ncsn.config.params import load_params

    found = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name]
    path = next((place for name in found if (place := shutil.which(name))), None)
    if path:
        return fine(path)
    if load_params("base").base.compile == "always" or _has_gpu():
        return note("none, so that networks run uncompiled and slower; install g++")
    return fine("none; on a CPU only `base.compile: always` calls one")


def gpu() -> Line:
    """The GPU, and whether base.device is on this machine."""
    import torch

    from ncsn.config.params import load_params
    from ncsn.runtime.device import build_device

    device = build_device(load_params("base").base)
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return fine(f"{name}, {_gib(torch.cuda.mem_get_info(device)[0])} free")
    seen = output_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    if seen and not torch.cuda.is_available():
        build = "is built without it" if torch.version.cuda is None else "cannot use its driver"
        return note(f"{seen} is there, but torch {build}; remove .venv and run `make setup`")
    return fine("none, and none is asked for" if not seen else f"{seen}, not used: base.device")


def memory() -> Line:
    """Free memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (kib,) = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    text = f"{_gib(kib * 1024)} free"
    return fine(text) if kib * 1024 >= _LEAST_MEMORY else note(f"{text}; colour images need 2 GiB")


def disk() -> Line:
    """Free disk."""
    free = shutil.disk_usage(".").free
    text = f"{_gib(free)} free"
    if free < _LEAST_DISK:
        return mend(f"{text}; free some space")
    return fine(text) if free >= _ROOMY_DISK else note(f"{text}; colour images need gigabytes")


def port() -> Line:
    """The port of MLflow's pages."""
    from ncsn.tracking.server import PORT, free_port

    found = free_port(PORT)
    if found != PORT:
        return note(f"{PORT} is taken; `make ui` will take {found}")
    return fine(f"{PORT} is free for `make ui`")


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if "==" in line]
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
