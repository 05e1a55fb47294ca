"""The page: everything it says as plain values, filled into page.html.

The page embeds its pictures and needs no network. The same results give the same bytes: when,
where and from which commit they were had lies beside it, in the script that `track` leaves.
"""

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.numbers import with_error
from ncsn.config.params import Params, ProjectParams
from ncsn.report.films import Film
from ncsn.report.run.costs import stage_costs
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.notes import error_notes, floor_note, nearest_notes, notices, share_notes
from ncsn.report.run.tables import Metric, least_level_losses, metric_sides
from ncsn.report.run.toy import toy_notes
from ncsn.report.template import number, page_template

TEMPLATE = Path(__file__).with_name("page.html")
HIDDEN_SECTIONS = ("track", "sweep", "toy")  # they decide no result


class Cost(NamedTuple):
    """What the run took, in counts."""

    evaluations_per_image: int
    num_samples: int
    num_levels: int
    steps_per_level: int
    num_steps: int
    batch_size: int
    images_seen: int
    passes: float


def render_page(
    inputs: ReportInputs,
    params: ProjectParams,
    metrics: Sequence[Metric],
    pictures: Mapping[str, bytes],
    films: Mapping[str, Film],
) -> str:
    """Returns the report as one HTML document.

    Args:
        inputs: result files of the other stages.
        params: the sections that the report shows.
        metrics: rows of the table of metrics.
        pictures: PNG files by name; a section whose picture is missing is left out or says why.
        films: the same of what moves.
    """
    filters: dict[str, Callable[..., Any]] = {
        "number": number,
        "digits": with_error,
        "sides": metric_sides,
    }
    return page_template(TEMPLATE, filters).render(
        params=params,
        notices=notices(inputs, params),
        configuration=configuration(params),
        metrics=metrics,
        floor_note=floor_note(inputs, metrics[0]),
        error_notes=error_notes(inputs.metrics),
        share_notes=share_notes(metrics[0], params.reference.split),
        has_least_loss=least_level_losses(
            inputs.oracle, params.train.weight_power, inputs.training_sigmas
        )
        is not None,
        accuracy=inputs.reference.get(keys.CLASSIFIER_ACCURACY),
        pictures={name: _data_uri(png) for name, png in pictures.items()},
        films={name: (_data_uri(f.gif, "gif"), _data_uri(f.last)) for name, f in films.items()},
        toy_figures={name: _data_uri(png) for name, png in inputs.toy_figures.items()},
        toy_notes=toy_notes(inputs.toy),
        run_script=os.path.relpath(params.paths.run_script, Path(params.paths.report).parent),
        page_name=Path(params.paths.report).name,
        data=inputs.data,
        cost=cost(inputs, params),
        stage_costs=stage_costs(inputs),
        num_shown=min(params.report.num_grid_images, len(inputs.samples)),
        neighbours=inputs.neighbours,
        nearest_notes=nearest_notes(inputs.neighbours),
        num_baseline=len(inputs.baseline),
        num_completions=inputs.inpainting["completions"].shape[2],
        num_real_shown=min(params.report.num_grid_images, len(inputs.real)),
        num_trajectories=inputs.trajectory.shape[1],
        num_states=len(inputs.trajectory),
        num_previews=len(inputs.previews),
    )


def configuration(params: Params) -> dict[str, dict[str, str]]:
    """Returns the values that decide results, by section and key, as params.yaml writes them."""
    shown = [name for name in Params.model_fields if hasattr(params, name)]
    return {
        name: {
            key: _yaml_text(value)
            for key, value in getattr(params, name).model_dump().items()
            if name != "base" or key == "seed"
        }
        for name in shown
        if name not in HIDDEN_SECTIONS
    }


def cost(inputs: ReportInputs, params: Params) -> Cost:
    """Returns the counts that a person weighs against the metrics."""
    num_steps = params.train.num_steps if inputs.training_sigmas else 0
    images_seen = num_steps * params.train.batch_size
    return Cost(
        evaluations_per_image=inputs.sampling["network_evaluations_per_image"],
        num_samples=inputs.sampling["num_samples"],
        num_levels=params.noise.num_levels,
        steps_per_level=params.sampler.steps_per_level,
        num_steps=num_steps,
        batch_size=params.train.batch_size,
        images_seen=images_seen,
        passes=images_seen / inputs.data["train"]["count"],
    )


def _data_uri(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode()


def _yaml_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
