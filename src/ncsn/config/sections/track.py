"""Section `track`: the MLflow store of the runs."""

from typing import Annotated

from pydantic import Field

from ncsn.config.sections.kinds import Line, Section


class TrackParams(Section):
    """Where MLflow keeps its runs."""

    uri: Line
    """Address of the store; sqlite:///FILE is relative to the project. MLFLOW_TRACKING_URI in the
    environment wins over it, and an address with a password belongs there."""

    artifact_root: Line
    """Folder of the runs' files, relative to the project."""

    experiment: Annotated[Line, Field(max_length=250)]
    """The MLflow experiment that the runs belong to, at most 250 characters."""

    log_model: bool
    """Whether the trained network is logged as an MLflow model."""
