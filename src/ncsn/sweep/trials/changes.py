"""What of the main tree is another than its last commit has."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ncsn.base.dotted import flattened
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.sweep.trials.git import git


def changed_params(main: Path) -> set[str]:
    """Returns the dotted keys whose values in params.yaml differ from those of the last commit.

    Raises:
        UserError: one of the two cannot be read.
    """
    with TemporaryDirectory() as folder:
        committed = Path(folder) / PARAMS_FILE.name
        committed.write_text(git(main, "show", f"HEAD:./{PARAMS_FILE}"), encoding="utf-8")
        before = flattened(read_yaml(committed))
    now = flattened(read_yaml(main / PARAMS_FILE))
    absent = object()
    keys = {*before, *now}
    return {key for key in keys if before.get(key, absent) != now.get(key, absent)}
