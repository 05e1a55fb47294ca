"""The commit of a study, fetched from a repository: for a host whose own tree is another one."""

from pathlib import Path

from filelock import FileLock

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError
from ncsn.base.files import whole_folder
from ncsn.base.git import git
from ncsn.base.marked import refuse_foreign
from ncsn.config.params import PARAMS_FILE, load_params
from ncsn.sweep.trials.dvc_settings import share_cache
from ncsn.sweep.trials.git import place_in_git


def checked_out(main: Path, url: str, commit: str) -> Path:
    """Returns the project at a commit, in a clone below `paths.work` that uses `main`'s cache.

    Args:
        main: the top folder of this host's project.
        url: of a git repository, or a path; a password in it is not kept.
        commit: the study's.

    Raises:
        UserError: the repository cannot be had, or lacks the commit or the project.
    """
    sweep = main / load_params("paths", path=main / PARAMS_FILE).paths.work / "sweep"
    sweep.mkdir(parents=True, exist_ok=True)
    clone = sweep / f"source-{commit[:12]}"
    with FileLock(sweep / f"{clone.name}.lock"):
        refuse_foreign(clone)
        if not (clone / ".git").is_dir():
            _make(clone, url, commit)
        place = clone / place_in_git(main)[1]
        if not (place / PARAMS_FILE).exists():
            raise UserError(
                f"--source (value '{masked(url)}'): {commit[:12]} has no {PARAMS_FILE}"
            )
        share_cache(main, place)
    return place


def _make(clone: Path, url: str, commit: str) -> None:
    with whole_folder(clone) as folder:
        try:
            git(folder, "clone", "--quiet", "--no-checkout", url, ".")
            git(folder, "checkout", "--quiet", "--detach", commit)
        except UserError as error:
            raise UserError(f"--source (value '{masked(url)}'): {masked(str(error))}") from None
        git(folder, "remote", "remove", "origin")  # its address may have a password
