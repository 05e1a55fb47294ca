"""The files of the site of the documents: those of the project, where they lie in it."""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "tests/*.md", "benchmarks/**/*.md")
SHOWN = ("docs/**/*.png", "docs/*.css", "docs/*.ipynb", "benchmarks/results/*.[cp]*")
SHOWN += ("reports/sweeps/**/*",)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the project's files in place of those of docs/; what the theme brings stays."""
    brought = [file for file in files if file.src_dir != config.docs_dir]
    found = {path for glob in (*PAGES, *SHOWN) for path in ROOT.glob(glob) if path.is_file()}
    names = sorted(path.relative_to(ROOT).as_posix() for path in found)
    notebooks = [_notebook(name, config) for name in names if name.endswith(".ipynb")]
    return Files([*brought, *notebooks, *(_file(name, config) for name in names)])


def _file(name: str, config: MkDocsConfig) -> File:
    return File(name, str(ROOT), config.site_dir, config.use_directory_urls)


def _notebook(name: str, config: MkDocsConfig) -> File:
    """A notebook as a page; it is kept without outputs, so that this is all of it."""
    cells = json.loads((ROOT / name).read_text())["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    blocks = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in texts]
    page = str(Path(name).with_suffix(".md"))
    return File.generated(config, page, content="\n\n".join(blocks))
