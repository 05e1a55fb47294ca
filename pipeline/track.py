"""Takes the result files of all stages; leaves the MLflow run of this configuration, complete.

`dvc repro track` runs it, always: only the store knows what it has. Where the run is complete
nothing changes and MLflow is not even imported; reports/mlflow_run.json names the run, and
reports/run.js tells the report's page when, where and from which commit it was made.
"""

from ncsn.base.entry import entry
from ncsn.base.files import whole_file, write_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE, load_params
from ncsn.tracking.finished import present_record
from ncsn.tracking.origin import origin_script


def main() -> str:
    """The stage."""
    params = load_params("paths", "track")
    record = present_record(params.paths, params.track)
    state = "the run was there"
    if record is None:
        from ncsn.tracking.configuration import publish_configuration  # MLflow: seconds

        record = publish_configuration(params.paths, params.track, read_yaml(PARAMS_FILE))
        state = "run completed"
    write_json(params.paths.mlflow_run, record)
    with whole_file(params.paths.run_script) as partial:
        partial.write_text(origin_script(params.paths, params.track), encoding="utf-8")
    return f"{params.paths.mlflow_run}: {state}, {record['run_id']}"


if __name__ == "__main__":
    entry(main)
