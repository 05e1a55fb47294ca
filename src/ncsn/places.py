"""Where the project is whose stores a process writes to."""

from pathlib import Path

_EXPERIMENTS = (".dvc", "tmp", "exps")  # where DVC makes the folders of --temp and --queue


def main_project(root: str | Path = ".") -> Path:
    """Returns the project itself for the folder of one of DVC's temporary experiments in it.

    Any other folder is its own project. The folder of an experiment vanishes with it, so what
    shall stay (MLflow's store, the file of secrets) is the project's.
    """
    root = Path(root).resolve()
    inner = next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), root)
    for outer in inner.parents:
        inside = outer.joinpath(*_EXPERIMENTS)
        if (
            inner.is_relative_to(inside)
            and (outer / root.relative_to(inner) / "dvc.yaml").exists()
        ):
            return outer / root.relative_to(inner)
    return root
