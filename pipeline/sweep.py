"""Takes a study of studies/; runs it, shows how far it is, or uses what it found.
Studies are kept in the database that params.yaml names under `sweep`.
Run it with `python pipeline/sweep.py run STUDY`; `--help` names the other commands."""

from ncsn.base.entry import entry
from ncsn.sweep.cli import run_command_line

if __name__ == "__main__":
    entry(run_command_line)
