"""What a workspace's DVC takes over from the main tree's: the cache, and the default remote."""

from contextlib import closing
from pathlib import Path

from ncsn.sweep.trials.dvc_repo import dvc_command, dvc_faults, is_installed_known
from ncsn.sweep.trials.remote import Remote


def share_cache(main: Path, root: Path, remote: Remote | None = None) -> None:
    """Lets a workspace use the cache of the project at `main`, and its default remote.

    By a link and by .dvc/config.local, which git ignores: DVC's own writer of that file knows
    no letters beyond ASCII, and a link's name is as it was chosen wherever the project lies.
    """
    folder, settings = _cache_of(main)
    link = root / ".dvc" / "tmp" / "main_cache"
    for parent in (folder, link.parent):
        parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    set_there = [f"{name} = {value}" for name, value in settings.items() if value]
    lines = ["[cache]", "dir = tmp/main_cache", *set_there]
    if remote and not is_installed_known():
        lines += remote.lines()
    config = root / ".dvc" / "config.local"
    config.unlink(missing_ok=True)
    config.touch(0o600)  # settings of a remote may have a password
    config.write_text("\n".join(lines) + "\n")
    # Names processes that hold paths; one that was killed stays in it, and its number comes back.
    (root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)


def default_remote(main: Path) -> Remote | None:
    """Returns the default remote of the project at `main`, None where it has none.

    Raises:
        UserError: DVC cannot read its settings.
    """
    if not is_installed_known():
        listed = _listed_config(main)
        name = listed.get("core.remote")
        start = f"remote.{name}."
        settings = {k.removeprefix(start): v for k, v in listed.items() if k.startswith(start)}
    else:
        from dvc.repo import Repo

        with dvc_faults(main), closing(Repo(str(main))) as repo:
            name = repo.config["core"].get("remote")
            settings = repo.config["remote"].get(name, {})
    return Remote(name, settings) if name else None


def _cache_of(main: Path) -> tuple[Path, dict[str, str]]:
    """The folder of a project's cache, and how files are linked from it and shared."""
    names = ("type", "shared")
    if not is_installed_known():
        listed = _listed_config(main)
        folder = Path(dvc_command(main, "cache", "dir").removesuffix("\n"))
        return folder, {name: listed.get(f"cache.{name}", "") for name in names}
    from dvc.repo import Repo

    with dvc_faults(main), closing(Repo(str(main))) as repo:
        config, folder = repo.config["cache"], Path(repo.cache.local_cache_dir).absolute()
    values = {name: config.get(name) or "" for name in names}
    return folder, {k: v if isinstance(v, str) else ",".join(v) for k, v in values.items()}


def _listed_config(main: Path) -> dict[str, str]:
    lines = dvc_command(main, "config", "--list").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
