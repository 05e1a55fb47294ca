"""The report of a study: what it shows follows from what the study holds."""

import json
import math
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from ncsn.base.errors import UserError
from ncsn.report.sweep.agreement import comparison
from ncsn.report.sweep.charts import strongest_pair
from ncsn.report.sweep.inputs import (
    metric_title,
    not_told_apart,
    read_exported,
    standard_errors,
)
from ncsn.report.sweep.marginals import plot_marginal
from ncsn.report.sweep.page import value_text
from ncsn.report.sweep.write import write_study_report

Exported = Callable[[optuna.Study], Path]


def epsilon_axis(synthetic: Any) -> dict[str, Any]:
    """One axis: few figures, drawn soon."""
    return {"sampler.epsilon": synthetic.AXES["sampler.epsilon"]}


def test_the_page_of_a_joint_study_says_everything(synthetic: Any, exported: Exported) -> None:
    folder = exported(synthetic.joint())
    exported(synthetic.joint("joint-digits-oracle"))
    (folder / "index.html").write_text('<img src="old.png" alt="of an earlier report">')
    for name in ("old.png", "mine.png"):
        (folder / name).write_bytes(b"")
    html = write_study_report(folder).read_text()
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures >= {"marginal_sampler_epsilon.png", "pair.png", "history.png"}
    assert "importances.png" in pictures and "old.png" not in pictures and "mine.png" in pictures
    assert all(f'src="{name}"' in html for name in pictures - {"mine.png"})
    assert "FID (classifier, layer 128; 300 vs 359)" in html
    assert "not a number at level 3" in html and "median pruner at step 250" in html
    assert "python pipeline/sweep.py apply joint --size digits --trial" in html
    assert "dvc repro" in html
    study = read_exported(folder)
    common = f"over {len(study.complete())} common points is 1.000"
    assert common in html  # the oracle's FID is a monotone transform of the network's
    reuse = study.summary["trainings"]
    assert f"{reuse['saved']} of {reuse['trials']}" in html
    errors = standard_errors(study.complete(), synthetic.FID)
    fids = study.complete()[synthetic.FID].to_numpy()
    assert errors is not None and np.allclose(errors, fids * 0.05)  # two draws 10 % apart


def test_two_objectives_have_a_front(synthetic: Any, exported: Exported) -> None:
    objectives = {synthetic.FID: "minimize", synthetic.EVALUATIONS: "minimize"}
    folder = exported(synthetic.joint("quality_vs_cost-digits", objectives=objectives))
    assert "Trials of the front" in write_study_report(folder).read_text()
    assert (folder / "front.png").exists()


def test_choices_are_drawn_with_their_names(synthetic: Any, exported: Exported) -> None:
    axes = {"techniques": {"type": "bundle", "choices": {"all": {}, "without 5": {}}}}
    flags = {"sampler.final_denoise": {"type": "categorical", "choices": [True, False]}}
    study = synthetic.make_study("leave_out-digits", axes | flags)
    for i in range(6):
        point = {"techniques": ("all", "without 5")[i % 2], "sampler.final_denoise": i > 2}
        synthetic.add_trial(study, axes | flags, point, [1.0 + i])
    folder = exported(study)
    html = write_study_report(folder).read_text()
    assert (folder / "marginal_techniques.png").exists() and "all, without 5" in html
    assert not (folder / "pair.png").exists() and "6 complete trials; at least 8" in html


@pytest.mark.parametrize("count", [0, 1])
def test_a_study_with_few_trials_has_a_page(
    synthetic: Any, exported: Exported, count: int
) -> None:
    axes = epsilon_axis(synthetic)
    study = synthetic.make_study("epsilon-digits", axes)
    if count:
        synthetic.add_trial(study, axes, {"sampler.epsilon": 1e-4}, [1.0])
    folder = exported(study)
    assert ("No trial is complete" in write_study_report(folder).read_text()) == (count == 0)


@pytest.mark.parametrize(("factor", "rho"), [(2.0, 1.0), (-1.0, -1.0)])
def test_agreement_is_one_for_a_monotone_transform(
    synthetic: Any, exported: Exported, factor: float, rho: float
) -> None:
    axes = epsilon_axis(synthetic)
    one, two = (synthetic.make_study(f"joint{name}-digits", axes) for name in ("", "_amortised"))
    for i, point in enumerate(synthetic.random_points(8, axes)):
        synthetic.add_trial(one, axes, point, [i**2])
        if i != 3:
            synthetic.add_trial(two, axes, point, [factor * i])
    folders = exported(one), exported(two)
    compared = comparison(*map(read_exported, folders))
    assert (compared.rho, compared.num_common) == (pytest.approx(rho), 7)
    assert "joint_amortised-digits" in write_study_report(folders[0]).read_text()


def test_too_few_common_points_have_no_agreement(synthetic: Any, exported: Exported) -> None:
    one, two = exported(synthetic.joint(count=2)), exported(synthetic.joint("b", count=2))
    compared = comparison(read_exported(one), read_exported(two))
    assert math.isnan(compared.rho) and compared.num_common == 2


def test_the_strongest_pair_has_the_two_largest_shares(synthetic: Any, exported: Exported) -> None:
    study = synthetic.make_study()
    for point in synthetic.random_points(40, synthetic.AXES):
        far = [math.log10(point[name]) for name in ("noise.sigma_max", "noise.sigma_min")]
        synthetic.add_trial(study, synthetic.AXES, point, [far[0] + 1.2 * far[1]])
    pair = strongest_pair(read_exported(exported(study)))
    assert pair is not None and set(pair) == {"noise.sigma_max", "noise.sigma_min"}


def test_titles_carry_all_sample_counts(synthetic: Any, exported: Exported) -> None:
    study = read_exported(exported(synthetic.joint(count=2)))
    study.summary["conditions"]["eval/fid_num_samples"].append(1000.0)
    title = metric_title(study, synthetic.FID)
    assert title == "FID (classifier, layer 128; 300/1000 vs 359)"


def test_the_same_study_gives_the_same_bytes(synthetic: Any, exported: Exported) -> None:
    axes = epsilon_axis(synthetic)
    study = synthetic.make_study("epsilon-digits", axes)
    for point in synthetic.random_points(5, axes):
        synthetic.add_trial(study, axes, point, [synthetic.quality(point)])
    folder = exported(study)
    write_study_report(folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_study_report(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def noisy(synthetic: Any, confirmed: bool) -> optuna.Study:
    """Four points of three draws; two are near one another, the first was drawn again."""
    axes = epsilon_axis(synthetic)
    study = synthetic.make_study("epsilon-digits", axes)
    for i, fid in enumerate((1.0, 1.05, 4.0, 9.0)):
        draws, point = [fid, fid + 0.1, fid - 0.1], {"sampler.epsilon": 1e-5 * 4**i}
        synthetic.add_trial(study, axes, point, [fid], by_seed={"eval/fid": draws})
    if confirmed:
        entry = {"seeds": [7, 8], "num_samples": 300, "values": {"eval/fid": [1.125, 1.175]}}
        study.set_user_attr("confirmed", {"0": entry})
    return study


def test_the_page_shows_fresh_values_and_what_cannot_be_told_apart(
    synthetic: Any, exported: Exported
) -> None:
    folder = exported(noisy(synthetic, confirmed=True))
    html = write_study_report(folder).read_text()
    assert '<div class="value">1.150 ± 0.025</div>' in html
    assert "2 fresh draws, 1 in the search; ± is one standard error" in html
    conclusions = read_exported(folder).summary["conclusions"]
    text = unescape(html)
    assert all(f"<p>{line.replace('+-', '±')}</p>" in text for line in conclusions)
    assert len(conclusions) > 4
    assert "1 of 3 other points cannot be told from it: trial 1" in html
    near = not_told_apart(read_exported(folder).trials)
    assert near.tolist() == [True, True, False, False]
    table = html.split('id="best"')[1]  # told apart, then the training, in each row
    told = re.findall(r'<td class="soft">(–|yes|no)</td>', table)[::2]
    assert told == ["–", "no", "yes", "yes"]


def test_every_point_is_shown_with_its_error_also_those_below_the_best_trials(
    synthetic: Any, exported: Exported
) -> None:
    axes = epsilon_axis(synthetic)
    study = synthetic.make_study("epsilon-digits", axes)
    for i in range(14):
        draws, point = [i + 0.9, i + 1.0, i + 1.1], {"sampler.epsilon": 1e-6 * 1.5**i}
        synthetic.add_trial(study, axes, point, [i + 1.0], by_seed={"eval/fid": draws})
    folder = exported(study)
    assert len(read_exported(folder).summary["best"]) < 14
    hover = write_study_report(folder).read_text().split('id="told"')[1]
    for i in range(14):
        assert value_text(read_exported(folder), i) == f"{i + 1:.3f} ± 0.058"
        assert f"trial {i} \\u00b7 FID {i + 1:.3f} \\u00b1 0.058" in hover


def test_the_star_and_the_rings_stand_where_the_numbers_say(
    synthetic: Any, exported: Exported
) -> None:
    study = read_exported(exported(noisy(synthetic, confirmed=True)))
    panel = plot_marginal(study, "sampler.epsilon").axes[0]
    drawn = {found.get_label(): found.get_offsets() for found in panel.collections}
    assert drawn["best"].tolist() == [[1e-5, pytest.approx(1.15)]]
    assert [y for _, y in drawn["not told from the best"].tolist()] == [1.0, 1.05]


def test_a_study_without_spreads_marks_and_concludes_nothing(
    synthetic: Any, exported: Exported
) -> None:
    axes = epsilon_axis(synthetic)
    study = synthetic.make_study("epsilon-digits", axes)
    for point in synthetic.random_points(5, axes):
        synthetic.add_trial(study, axes, point, [synthetic.quality(point)])
    folder = exported(study)
    html = write_study_report(folder).read_text()
    assert "No spread is known, so nothing can be concluded" in html
    assert "told from the best" not in html and "±" not in html.split('id="best"')[0].split(
        'id="theory"'
    )[0].replace("± is one standard error", "")
    assert not not_told_apart(read_exported(folder).trials).any()


def test_files_of_an_earlier_version_are_read(synthetic: Any, exported: Exported) -> None:
    """They have `seeds` and a spread, no conclusions and no verdicts."""
    folder = exported(noisy(synthetic, confirmed=False))
    old = json.loads((folder / "study.json").read_text())
    del old["conclusions"]
    old["seeds"] = old.pop("draws")
    for trial in [*old["best"], *old["theory_and_search"].values()]:
        trial["spread"], trial["seeds"] = {"eval/fid": 0.1}, len(trial.pop("shown"))
        trial.pop("told_apart", None)
    (folder / "study.json").write_text(json.dumps(old))
    table = pd.read_csv(folder / "trials.csv").drop(columns="told_apart")
    table.to_csv(folder / "trials.csv", index=False)
    html = write_study_report(folder).read_text()
    assert "Exported without conclusions; `python pipeline/sweep.py report STUDY` draws" in html
    assert '<div class="value">1</div>' in html


def test_a_missing_export_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="study.json is missing"):
        write_study_report(tmp_path)
