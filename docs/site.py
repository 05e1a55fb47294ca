"""The files of the site of the documents: those of the project, where they lie in it."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "docs/*.ipynb", "tests/*.md", "benchmarks/**/*.md")
SHOWN = ("docs/**/*.png", "docs/*.css", "benchmarks/results/*.[cp]*", "reports/sweeps/**/*")


@event_priority(100)  # before the plugins, which turn files into pages
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the project's files in place of those of docs/; what the theme brings stays."""
    brought = [file for file in files if file.src_dir != config.docs_dir]
    found = {path for glob in (*PAGES, *SHOWN) for path in ROOT.glob(glob) if path.is_file()}
    names = sorted(path.relative_to(ROOT).as_posix() for path in found)
    return Files([*brought, *(_file(name, config) for name in names)])


def _file(name: str, config: MkDocsConfig) -> File:
    return File(name, str(ROOT), config.site_dir, config.use_directory_urls)
