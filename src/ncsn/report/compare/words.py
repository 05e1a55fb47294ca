"""What a comparison says in sentences: what cannot be compared, what differs, what does not."""

from collections.abc import Mapping, Sequence

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord
from ncsn.report.compare.conditions import groups, mismatches, unrecorded
from ncsn.report.compare.tables import letters
from ncsn.report.compare.verdicts import Standing, level_text, standings

_NOISE = ("sample.seed", "sample/seed"), ("sample.block_size", "sample/block_size")
_STEPS = (("noise.num_levels",), ("sampler.steps_per_level",), ("sampler.name",))
_LOSS = (
    *("noise.sigma_max", "noise.sigma_min", "noise.num_levels", "noise.training"),
    *("train.weight_power", "train.level_sampling_power", "train.uniform_dequantisation"),
)


def notices(runs: Sequence[RunRecord]) -> list[str]:
    """Returns what must be known before any number is compared."""
    found, names = groups(runs), letters(len(runs))
    lines = []
    if len(found) > 1:
        sets = " | ".join(", ".join(names[place] for place in group.members) for group in found)
        differ = "; ".join(f"{key}: {' | '.join(v)}" for key, v in mismatches(found).items())
        lines.append(
            f"These runs were measured under {len(found)} different conditions ({sets}), so that "
            f"numbers of one set cannot be compared with those of another. They differ in {differ}"
        )
    for group in found:
        for key, places in unrecorded(runs, group).items():
            which = ", ".join(names[place] for place in places)
            lines.append(f"{which}: {key} not recorded, taken as that of the others")
    return lines


def findings(runs: Sequence[RunRecord]) -> list[str]:
    """Returns by metric which runs can be told from the best value, a sentence for each group."""
    lines = []
    for group in groups(runs):
        unjudged = []
        for measure in keys.MEASURES:
            found = standings(runs, group, measure)
            if len(found) > 1 and all(one.says == "not judged" for one in found.values()):
                unjudged.append(_title(measure))
            elif len(found) > 1:
                lines.append(_finding(found, measure, letters(len(runs))))
        if unjudged:
            names = ", ".join(letters(len(runs))[place] for place in group.members)
            which = ", ".join(unjudged)
            lines.append(f"Not judged between {names}, for want of an error: {which}")
    return lines


def caveats(runs: Sequence[RunRecord]) -> list[str]:
    """Returns what the verdicts do and do not cover."""
    named = list(zip(letters(len(runs)), runs, strict=True))
    drawn = [name for name, run in named if run.draws]
    again = [n for n, run in named if any(len(found) > 1 for found in run.draws.values())]
    lines = [f"{level_text()} Each metric is judged by itself."]
    if len(drawn) < len(runs):
        lines.append(
            "± is one standard error, both kinds of images drawn anew. Runs are told apart by the "
            "smaller error of the generated images alone, the reference being the same."
        )
    if drawn:
        lines.append(
            f"{', '.join(drawn)}: several draws. ± is the standard error of their mean by their "
            "spread, the reference kept. The best of many trials is better here than it will be "
            "again; the study's page has fresh draws."
        )
    if again:
        lines.append(
            f"{', '.join(again)}: several trainings. ± is by the spread of their means, and holds "
            "what another seed of the training would change."
        )
    if len(again) < len(runs):
        lines.append(
            "Errors of a single training are those of drawing images. They do not hold what "
            "another seed of the training would change: two trainings that differ in their seed "
            "alone may lie further apart than drawing explains."
        )
    if any(run.known("sample/seed", "sample.seed") is None for run in runs):
        lines.append("Some runs do not record the seed of their samples.")
    return lines


def same_noise(runs: Sequence[RunRecord]) -> str:
    """Returns whether the samples of one position come from the same noise."""
    names = letters(len(runs))
    marks = [tuple(run.known(*where) for where in _NOISE) for run in runs]
    if len(set(marks)) > 1 or None in marks[0]:
        said = ", ".join(f"{n}: {m[0] or '?'} in blocks of {m[1] or '?'}"
                         for n, m in zip(names, marks, strict=True))  # fmt: skip
        return (
            f"The seeds of the samples differ or are not all recorded ({said}): a column holds "
            "unrelated images."
        )
    line = f"All chains of a column start from the same noise (seed {marks[0][0]})"
    steps = {tuple(run.known(*where) for where in _STEPS) for run in runs}
    if len(steps) == 1:
        return f"{line} and get the same noise in every step."
    return f"{line}; the noise of their steps is the same as long as both go on."


def curves_note(runs: Sequence[RunRecord]) -> str:
    """Returns which params make losses of the runs incomparable, if any do."""
    shown = [run for run in runs if run.curves]
    keys_ = [
        key for key in (*_LOSS, "data.name")
        if len({run.params[key] for run in shown if key in run.params}) > 1
    ]  # fmt: skip
    if not keys_:
        return "The losses are of one kind: the same noise levels and weights."
    return f"These losses cannot be compared: {', '.join(keys_)} differ, and with them the loss."


def _finding(found: Mapping[int, Standing], measure: keys.Measure, names: Sequence[str]) -> str:
    said = {
        what: ", ".join(names[place] for place, one in found.items() if one.says == what)
        for what in ("best value", "not told apart", "worse", "not judged")
    }
    word = "lowest" if measure.better == "lower" else "highest"
    parts = [f"{said['best value']} has the {word}"] if said["best value"] else []
    parts += [f"{said['worse']} worse beyond the noise"] if said["worse"] else []
    apart = f"{said['not told apart']} cannot be told apart from it"
    parts += [apart] if said["not told apart"] else []
    parts += [f"{said['not judged']} not judged"] if said["not judged"] else []
    return f"{_title(measure)}: {'; '.join(parts)}"


def _title(measure: keys.Measure) -> str:
    return measure.title + (" of raw pixels" if measure.measured_on == "pixels" else "")
