"""The page in headless Chromium: nothing missing, nothing that overflows, wide and narrow, light
and dark."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ncsn.config.params import ProjectParams
from ncsn.report.run.inputs import ReportInputs
from ncsn.report.run.write import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
RUN = {"date": "2026-01-02 03:04 UTC", "commit": "commit 0123456789", "machine": "A machine"}
RUN |= {"link": "http://127.0.0.1:5000/#/experiments/1/runs/2", "serve": "make ui"}
WIDTHS = (390, 1240)
PROBE = """
<script>
addEventListener("load", () => {
  const images = [...document.images];
  images.find((image) => image.closest(".chart")).click();
  const full = document.querySelector("dialog img");
  const found = JSON.stringify({
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    broken: images.filter((image) => !image.complete || !image.naturalWidth).length,
    narrow: images.filter((image) => image.closest(".chart") && image.width < 700).length,
    tables: [...document.querySelectorAll("table")].filter((table) =>
      table.scrollWidth > innerWidth && !table.closest(".scroll")).length,
    ground: getComputedStyle(document.body).backgroundColor,
    filter: getComputedStyle(images.find((image) => image.closest(".chart"))).filter,
    full: full.width === full.naturalWidth,
    run: document.getElementById("run").textContent,
    link: document.querySelector("#run a")?.href,
  });
  parent.postMessage(found, "*");
});
</script>
"""
# A window is never narrower than 500 pixels, a frame may be.
FRAMES = """<!doctype html><meta name="color-scheme" content="light dark"><body>
<script>
addEventListener("message", (event) => document.body.append(`FOUND${event.data}END`));
</script>
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
]


def opened(page: Path, dark: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """What the probe found, by width, and the lines of the console."""
    page.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    frames = [f'<iframe src="{page.name}" width="{w}" height="900" style="border:0"></iframe>'
              for w in WIDTHS]  # fmt: skip
    outer = page.with_name("frames.html")
    outer.write_text(FRAMES + "".join(frames))
    words = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    words += ["--enable-logging=stderr", "--virtual-time-budget=5000", f"file://{outer}"]
    words += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    words += [f"--user-data-dir={page.parent / 'profile'}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400)
    found = [json.loads(text) for text in re.findall(r"FOUND(\{.*?\})END", done.stdout)]
    assert len(found) == len(WIDTHS), done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return sorted(found, key=lambda one: one["width"]), console


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_missing_and_nothing_overflows(
    make_results: Callable[..., ReportInputs], params: ProjectParams, dark: bool
) -> None:
    write_report(make_results(), params)
    Path(params.paths.run_script).write_text(f"window.ncsnRun = {json.dumps(RUN)};")
    frames, console = opened(Path(params.paths.report), dark)
    assert console == []
    for width, found in zip(WIDTHS, frames, strict=True):
        assert found["width"] == width and found["page"] <= width
        assert (found["broken"], found["narrow"], found["tables"]) == (0, 0, 0)
        assert found["full"]
        assert ("invert" in found["filter"]) == dark
        assert found["ground"] == ("rgb(20, 23, 26)" if dark else "rgb(246, 247, 248)")
        assert "commit 0123456789" in found["run"] and found["link"] == RUN["link"]


def test_a_page_without_the_run_beside_it_says_where_it_stands(
    make_results: Callable[..., ReportInputs], params: ProjectParams
) -> None:
    write_report(make_results(), params)
    frames, _ = opened(Path(params.paths.report), dark=False)
    assert all("make ui" in found["run"] and "link" not in found for found in frames)
