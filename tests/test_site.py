"""The site of the documents: it names every page, builds without a fault, and asks no network."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "docs/*.ipynb", "tests/*.md", "benchmarks/**/*.md")
OTHERS = ("mkdocs.yml", "docs/**/*", "benchmarks/results/*", "reports/sweeps/**/*")
FETCHED = r"<(?:script|img|link)\b[^>]*(?:src|href)=\"?(?:https?:)?//"
needs_mkdocs = pytest.mark.skipif(
    find_spec("material") is None,
    reason="needs the extra `docs`: make docs",
)


def pages() -> list[str]:
    """The documents of the project; a notebook is a page like the others."""
    found = {path.relative_to(ROOT) for glob in PAGES for path in ROOT.glob(glob)}
    return sorted(str(path.with_suffix(".md")) for path in found)


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of a folder, in `folder`/.work/site."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The documents in a folder of their own."""
    for path in {path for glob in (*PAGES, *OTHERS) for path in ROOT.glob(glob)}:
        if path.is_file():
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return tmp_path


def test_the_menu_names_every_page_once():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    assert sorted(re.findall(r"- [^:]+: (\S+)$", menu, re.M)) == pages()


@needs_mkdocs
@pytest.mark.slow
def test_the_site_has_every_page_and_asks_no_network(copy):
    done = built(copy)
    assert done.returncode == 0, done.stderr
    site = copy / ".work" / "site"
    assert not (copy / ".cache").exists()
    for page in pages():
        name = re.sub(r"\.md$", ".html", page).replace("README.html", "index.html")
        assert not re.search(FETCHED, (site / name).read_text()), name


@needs_mkdocs
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["[a](docs/none.md)", "[a](docs/toy.md#none)", "![a](none.png)"])
def test_a_link_that_leads_nowhere_fails_the_build(copy, fault):
    with (copy / "README.md").open("a") as page:
        page.write(f"\n{fault}\n")
    done = built(copy)
    assert done.returncode != 0 and "none" in done.stderr + done.stdout


@needs_mkdocs
@pytest.mark.slow
def test_a_page_that_the_menu_leaves_out_fails_the_build(copy):
    (copy / "docs" / "more.md").write_text("# More\n")
    done = built(copy)
    assert done.returncode != 0 and "docs/more.md" in done.stderr + done.stdout
