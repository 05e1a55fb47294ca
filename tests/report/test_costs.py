"""The table of costs counts what the stages noted."""

from dataclasses import replace

from ncsn.report.costs import StageCost, stage_costs


def test_each_stage_has_its_work_its_arithmetic_and_its_time(make_results):
    train, sample = stage_costs(make_results())
    assert train == StageCost(
        "train", "96,000 images forward and backward", "288 GFLOP", "1 min 10 s"
    )
    assert sample == StageCost("sample", "120,000 network evaluations", "120 GFLOP", "1 min 23 s")


def test_an_exact_score_was_not_trained(make_results):
    nothing = {"flops_per_image": 0, "num_images": 0, "flops": 0}
    assert [row.stage for row in stage_costs(replace(make_results(), training_cost=nothing))] == [
        "sample"
    ]
