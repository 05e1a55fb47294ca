"""Studies as folders of reports/sweeps/: written from the database, and brought back into it."""

import sys
from pathlib import Path

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError, nearest
from ncsn.base.progress import notice
from ncsn.base.trial_record import STUDY_FILE
from ncsn.config.params import ProjectParams
from ncsn.sweep.results.export import export_study, fuller
from ncsn.sweep.results.exported import read_export
from ncsn.sweep.search.address import storage_url
from ncsn.sweep.search.database import Storage, open_storage
from ncsn.sweep.search.notes import write_note
from ncsn.sweep.search.pictures import ARTIFACTS
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.restore import restore_study
from ncsn.sweep.search.study import study_names
from ncsn.sweep.search.tracked import sync
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.trials.git import has_commit

REPORTS = Path("reports/sweeps")
DASHBOARD = "python -m pip install --constraint constraints.txt --editable '.[dashboard]'"


def report_study(storage: Storage, plan: Plan, root: Path, *, force: bool = False) -> Path:
    """Writes the report of a study and the page of all; returns the study's page.

    Args:
        storage: of the studies.
        plan: the study's.
        root: the project's top folder.
        force: also over a report of more trials.

    Raises:
        UserError: the study has not run, or its report has more trials than the database.
    """
    from ncsn.report.sweep.overview import write_overview
    from ncsn.report.sweep.write import write_study_report

    known = study_names(storage)
    for name in [plan.name, *(name for name in _related(plan) if name in known)]:
        data, folder = read_study(storage, name), root / REPORTS / name
        if not force and (more := fuller(data, folder)):
            rule = f"{REPORTS / name}: has {more}; it stays as it is without --force"
            if name == plan.name:
                raise UserError(rule)
            notice(rule)
            continue
        export_study(storage, name, folder, root / ARTIFACTS)
        write_note(storage, data)
    page = write_study_report(
        root / REPORTS / plan.name, has_commit=lambda commit: has_commit(root, commit)
    )
    write_overview(root / REPORTS)
    return page


def import_studies(words: list[str], params: ProjectParams, root: Path, *, track: bool) -> None:
    """Brings exported studies into the database, and into MLflow if `track`; says what is new.

    Args:
        words: folders of exports, or names of those in reports/sweeps/; none means all of these.
        params: sections of params.yaml.
        root: the project's top folder.
        track: whether MLflow gets them, too.

    Raises:
        UserError: a folder holds no study, or the database has another one of its name.
    """
    studies = [read_export(folder) for folder in _folders(words, root)]
    storage = open_storage(params.sweep, root)
    for exported in studies:
        added = restore_study(storage, exported, root / ARTIFACTS)
        is_noted = write_note(storage, read_study(storage, exported.name))
        runs = _tracked(storage, exported.name, params, root) if track else "not sent to MLflow"
        print(f"{exported.name}: {added} trials new in the database, {runs}", flush=True)
    print("MLflow: make ui")
    where = masked(storage_url(params.sweep))
    print(f"Optuna: optuna-dashboard --artifact-dir {ARTIFACTS} {where}")
    if not is_noted:
        print(f"        first: {DASHBOARD}")


def _folders(words: list[str], root: Path) -> list[Path]:
    known = sorted(path.parent for path in (root / REPORTS).glob(f"*/{STUDY_FILE}"))
    if not words and not known:
        raise UserError(f"{REPORTS} holds no exported study")
    return [_folder(word, known) for word in words] or known


def _folder(word: str, known: list[Path]) -> Path:
    named = [path for path in known if path.name == word]
    if named or (Path(word) / STUDY_FILE).exists():
        return (named or [Path(word)])[0]
    names = [path.name for path in known]
    listed = ", ".join(names) or "none"
    hint = nearest(Path(word).name, names)
    raise UserError(f"{word}: no folder of an exported study; {REPORTS} has {listed}.{hint}")


def _tracked(storage: Storage, name: str, params: ProjectParams, root: Path) -> str:
    """A fault of MLflow is a warning: the trials are in the database."""
    try:
        return f"{sync(params.track, storage, name, root)} in MLflow"
    except UserError as error:
        print(f"warning: not written to MLflow: {error}", file=sys.stderr, flush=True)
        return "none in MLflow"


def _related(plan: Plan) -> list[str]:
    """Full names of the studies that a report shows beside this one."""
    others = [f"{plan.study}_amortised", *filter(None, [plan.spec.same_points])]
    beside = [plan.name.replace(plan.study, other, 1) for other in others]
    return beside if plan.model == "oracle" else [f"{plan.name}-oracle", *beside]
