"""Takes pictures of the project's pages in headless Chromium; leaves docs/images/.

Run it as `python docs/screenshots.py` in a clone that has a run and `make demo`, while `make ui`
serves MLflow; names choose pictures: `python docs/screenshots.py study compare`.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from PIL import Image

from ncsn.base.entry import entry
from ncsn.base.files import whole_file
from ncsn.config.params import load_params
from ncsn.tracking.links import view_link

WIDTH, COLOURS = 1280, 128
STUDY, SWEEPS = "epsilon-mnist_cpu", "ncsn-sweeps"
IMAGES = Path("docs/images")


class Shot(NamedTuple):
    """A picture.

    Attributes:
        page: address.
        height: how many pixels from its top.
        beside: how many pixels on the right are left out; MLflow's assistant opens there.
    """

    page: Callable[[], str]
    height: int
    beside: int = 0


def shots(server: str) -> dict[str, Shot]:
    """Returns the pictures by name."""
    local = Path.cwd().as_uri()
    return {
        "report": Shot(lambda: f"{local}/reports/index.html", 1500),
        "compare": Shot(lambda: f"{local}/reports/compare/index.html", 1100),
        "study": Shot(lambda: f"{local}/reports/sweeps/{STUDY}/index.html", 2250),
        "mlflow-table": Shot(lambda: _view(server, "TABLE"), 720, 440),
        "mlflow-charts": Shot(lambda: _view(server, "CHART"), 815, 440),
    }


def _view(server: str, mode: str) -> str:
    """The view of the study, in the experiment of the studies."""
    experiment = MlflowClient(server).get_experiment_by_name(SWEEPS)
    return server + view_link(str(experiment.experiment_id), STUDY, mode)


def main() -> None:
    """The command."""
    load_params("paths")  # from the project's folder alone
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--server", default="http://127.0.0.1:5000")
    options = parser.parse_args()
    for name, shot in shots(options.server).items():
        if name in options.names or not options.names:
            take(shot, IMAGES / f"{name}.png")


def take(shot: Shot, target: Path) -> None:
    """Writes a picture as a PNG file of few colours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shot.png")
        words = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ]
        words += [
            f"--user-data-dir={folder}",
            f"--window-size={WIDTH + shot.beside},{shot.height}",
        ]
        words += ["--virtual-time-budget=60000", f"--screenshot={path}", shot.page()]
        subprocess.run(words, check=True, capture_output=True, timeout=600)
        picture = Image.open(path).convert("RGB").crop((0, 0, WIDTH, shot.height))
    picture = picture.quantize(COLOURS)
    with whole_file(target) as part:
        picture.save(part, "PNG", optimize=True)


if __name__ == "__main__":
    entry(main)
