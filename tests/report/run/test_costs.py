"""The table of costs counts what the stages did."""

from dataclasses import replace

from ncsn.report.run.costs import StageCost, stage_costs


def test_each_stage_has_its_work_and_its_arithmetic(make_results):
    train, sample = stage_costs(make_results())
    ran = "bf16, norms compiled, 2 threads"
    assert train == StageCost("train", "96,000 images forward and backward", "288 GFLOP", ran)
    assert sample == StageCost("sample", "120,000 network evaluations", "120 GFLOP", "fp32")


def test_an_exact_score_was_not_trained(make_results):
    nothing = {"flops_per_image": 0, "num_images": 0, "flops": 0}
    assert [row.stage for row in stage_costs(replace(make_results(), training_cost=nothing))] == [
        "sample"
    ]
