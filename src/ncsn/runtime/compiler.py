"""The C++ compiler that torch.compile calls for a CPU, and where compiled code is kept."""

import functools
import os
import shutil
import subprocess
import sys
import sysconfig

from ncsn.base.outside import located
from ncsn.base.progress import notice

CACHE = "compiled"  # in the folder of unfinished work, which neither DVC nor git looks into
_CACHE_DIR = "TORCHINDUCTOR_CACHE_DIR"
_PROGRAM = "#include <Python.h>\n#include <omp.h>\n#include <cmath>\n"
_TIMEOUT_SEC = 60


@functools.cache
def cpp_compiler_works() -> bool:
    """Returns whether there is a C++ compiler with OpenMP and Python's headers; told once if not.

    CXX in the environment names it, as torch.compile has it.
    """
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    words = [name, "-x", "c++", "-fopenmp", "-fsyntax-only"]
    words += [f"-I{sysconfig.get_path('include')}", "-"]
    if shutil.which(name) is None:
        notice(f"no C++ compiler ({name}): nothing is compiled; with one, bf16 is faster")
        return False
    try:
        tried = subprocess.run(
            words, input=_PROGRAM, capture_output=True, text=True, timeout=_TIMEOUT_SEC
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        complaint = str(error)
    else:
        if tried.returncode == 0:
            return True
        complaint = (tried.stderr.strip() or f"exit status {tried.returncode}").splitlines()[0]
    notice(f"the C++ compiler does not work ({complaint}): nothing is compiled")
    return False


def keep_compiled_code(work: str) -> None:
    """Lets torch.compile keep its code in the project, so that only the first run compiles it.

    The workspaces of a sweep share their project's. TORCHINDUCTOR_CACHE_DIR of the user wins.

    Args:
        work: `paths.work` of dvc.yaml.
    """
    os.environ.setdefault(_CACHE_DIR, str((located(work) / CACHE).absolute()))
