"""A file of metrics: all of them for us, a terminal's width of them for DVC."""

from pathlib import Path

import pytest

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import read_json, write_json
from ncsn.base.records import HEADLINE, read_metrics, write_metrics

METRICS = {"eval/extractor": "classifier", keys.KID_MEAN: 0.1, keys.FID: 5.5, keys.RECALL: 0.5}


def test_metrics_come_back_as_they_were_and_dvc_has_a_column_for_few(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_metrics(path, METRICS)
    assert read_metrics(path) == METRICS
    columns = [key for key, value in read_json(path).items() if not isinstance(value, list)]
    assert columns == [keys.FID, keys.RECALL]  # DVC shows no lists
    path_and_gaps = len("reports/reference.json") + 2 + 4 * (len(HEADLINE) - 1)
    assert path_and_gaps + sum(map(len, HEADLINE)) <= 120  # a terminal


def test_a_file_of_before_is_read_and_broken_details_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, METRICS)
    assert read_metrics(path) == METRICS
    for broken in ({"details": 1}, {"details": [{keys.KID_MEAN: "x"}]}, {"details": [1]}):
        write_json(path, {keys.FID: 5.5} | broken)
        with pytest.raises(UserError, match="metrics.json"):
            read_metrics(path, keys.FID)
