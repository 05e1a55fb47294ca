"""README.md and docs/ name nothing that is not there: links, paths, commands, keys, stages."""

import itertools
import re
from pathlib import Path

import pytest
from test_structure import ORDER

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import Params, known_keys
from ncsn.config.preset import preset_names
from ncsn.runtime.dag import stage_table
from ncsn.sweep.studies.study import study_names

ROOT = Path(__file__).parents[1]
README, LIBRARY = ROOT / "README.md", ROOT / "src" / "ncsn"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests" / "README.md"]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "benchmarks").rglob("*.md"))]
TOPS = {"src", "tests", "docs", "pipeline", "studies", "reports", "benchmarks", "artifacts"}
# What a run or a user makes; the outs of stages are taken from dvc.yaml.
MADE = {"artifacts", ".work", ".work/sweep", ".dvc/cache", "raw", "reports/plots", "reports/toy"}
MADE |= {"reports/compare"}
SUBCOMMANDS = {"list", "import", "run", "open", "worker", "status", "report", "apply", "confirm"}
SUBCOMMANDS |= {"save", "sync", "push"}
NEW_FILE = re.compile(r"^`\S+`, a new file:$", re.M)
PRIVATE = re.compile("|".join(["seed " + "notes", r"\.\./" + "shared", "work" + "place"]))

of_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def prose(page: Path) -> str:
    """A page without its blocks of code, and without the names of files that it tells to make."""
    return NEW_FILE.sub("", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S))


def spans(page: Path) -> list[str]:
    """What stands in code font in the sentences and tables of a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """Relative links of a page that lead nowhere, or to a heading that is not there."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        if not target.exists() or (anchor and anchor not in slugs(target)):
            broken.append(link)
    return broken


def missing_paths(page: Path) -> list[str]:
    """Paths in code font that neither lie in the project or its library nor are made by it."""
    outs = {
        path
        for stage in stage_table(ROOT).values()
        for out in (*stage.get("outs", []), *stage.get("metrics", []))
        for path in ([out] if isinstance(out, str) else out)
    }
    ours = {path.name for path in LIBRARY.iterdir() if path.is_dir()}
    missing = []
    for span in spans(page):
        path, top = span.rstrip("/"), span.split("/")[0]
        if "/" not in span or not re.fullmatch(r"[\w./*-]+", span):
            continue
        if top in TOPS and path not in MADE | outs and not list(ROOT.glob(path)):
            missing.append(span)
        if top in ours - TOPS and not list(LIBRARY.glob(path)):
            missing.append(span)
    return missing


def unknown_commands(page: Path) -> list[str]:
    """Scripts, targets of make, subcommands, presets and studies that do not exist."""
    text, made = page.read_text(), (ROOT / "Makefile").read_text()
    unknown = [
        script
        for script in re.findall(r"(?:python|bash) ((?:pipeline|benchmarks)/\w+\.(?:py|sh))", text)
        if not (ROOT / script).exists()
    ]
    commands = re.findall(r"^ *make ([a-z-]+)|`(?:[A-Z_]+=\S+ )?make ([a-z-]+)", text, re.M)
    unknown += [name for name in map("".join, commands) if f"\n{name}:" not in made]
    for command, study in re.findall(r"pipeline/sweep\.py (\w+) ?(\w*)", text):
        unknown += [command] if command not in SUBCOMMANDS else []
        known = (*study_names(ROOT / "studies"), *re.findall(r"`studies/(\w+)\.yaml`", text))
        unknown += [study] if study and study not in known else []
    presets = re.findall(r"pipeline/preset\.py ([a-z]\w*)", text)
    return unknown + [name for name in presets if name not in preset_names()]


def unknown_keys(page: Path) -> list[str]:
    """Dotted names in code font that params.yaml does not have, though their section is there.

    On the page about parameters every dotted name is one of its keys, apart from files.
    """
    names = [span for span in spans(page) if re.fullmatch(r"[a-z]\w*\.[a-z]\w*", span)]
    names = [
        name
        for name in names
        if not re.search(r"\.(yaml|py|md|lock|db|json|sh|npz|safetensors)$", name)
    ]
    if page.name != "parameters.md":
        names = [name for name in names if name.split(".")[0] in Params.model_fields]
    return [name for name in names if name not in known_keys()]


def edges(text: str) -> set[tuple[str, str]]:
    """The arrows of a flowchart whose nodes have no labels."""
    lines = [line.split(" --> ") for line in text.splitlines() if "-->" in line]
    return {pair for line in lines for pair in itertools.pairwise(n.strip() for n in line)}


def reached(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All pairs of which the second can be reached from the first."""
    found = set(arrows)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


@pytest.mark.parametrize("page", LINKED, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@of_each_page
def test_paths_exist(page: Path) -> None:
    assert missing_paths(page) == []


@of_each_page
def test_commands_exist(page: Path) -> None:
    assert unknown_commands(page) == []


@of_each_page
def test_keys_exist(page: Path) -> None:
    assert unknown_keys(page) == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 120


def test_the_table_of_parameters_has_the_defaults() -> None:
    params = read_yaml(ROOT / "params.yaml")
    text = (ROOT / "docs" / "parameters.md").read_text()
    rows = re.findall(r"^\| \S+ \| `(\w+)\.(\w+)` \| (\S+) \|", text, re.M)
    assert len(rows) == 5
    for section, key, value in rows:
        assert float(value) == params[section][key], (section, key)


def test_the_diagram_of_stages_is_that_of_dvc_yaml() -> None:
    stages = stage_table(ROOT)
    makers = {
        path: name
        for name, stage in stages.items()
        for out in (*stage.get("outs", []), *stage.get("metrics", []))
        for path in ([out] if isinstance(out, str) else out)
    }
    true = {
        (makers[dep], name)
        for name, stage in stages.items()
        for dep in stage["deps"]
        if dep in makers
    }
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = edges(text.split("```mermaid\n")[1].split("```")[0])
    assert reached(drawn) == reached(true)
    assert {name for arrow in drawn for name in arrow} == set(stages)
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(stages)


def test_the_diagram_of_folders_is_the_order_of_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text().split("flowchart LR\n")[1]
    boxes = re.findall(r'\["([^"]+)"\]', text.split("```")[0])
    assert [set(box.split(", ")) for box in boxes] == [*ORDER, {"pipeline/"}]


def test_all_studies_and_presets_are_told() -> None:
    studies = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "sweeps.md").read_text()))
    presets = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "reproduction.md").read_text()))
    assert set(study_names(ROOT / "studies")) <= studies
    assert set(preset_names()) <= presets


def test_the_tests_of_promises_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert named <= written


def test_the_text_speaks_of_the_project_alone() -> None:
    folders = ("src", "tests", "pipeline", "docs", "studies", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files = [*files, *ROOT.glob("*.md"), ROOT / "params.yaml", ROOT / "dvc.yaml"]
    texts = {
        path: path.read_text() for path in files if path.suffix in (".py", ".md", ".yaml", ".sh")
    }
    assert [path for path, text in texts.items() if PRIVATE.search(text)] == []


@pytest.mark.parametrize(
    ("planted", "check", "found"),
    [
        ("[a](docs/none.md)", broken_links, ["docs/none.md"]),
        ("[a](#no-such-heading)", broken_links, ["#no-such-heading"]),
        ("`src/ncsn/none.py`", missing_paths, ["src/ncsn/none.py"]),
        ("`sweep/none.py`", missing_paths, ["sweep/none.py"]),
        ("`python pipeline/none.py`", unknown_commands, ["pipeline/none.py"]),
        ("`make none`", unknown_commands, ["none"]),
        ("```sh\nmake none\n```", unknown_commands, ["none"]),
        ("`python pipeline/sweep.py none`", unknown_commands, ["none"]),
        ("`python pipeline/sweep.py run none`", unknown_commands, ["none"]),
        ("`python pipeline/preset.py none`", unknown_commands, ["none"]),
        ("`sampler.none`", unknown_keys, ["sampler.none"]),
        ("`[a](#a)` # no heading\n`dvc.yaml`, `none.none`", unknown_keys, []),
    ],
)
def test_a_planted_fault_is_found(planted, check, found, tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text(planted)
    assert check(page) == found


def test_every_dotted_name_on_the_page_of_parameters_is_a_key(tmp_path) -> None:
    page = tmp_path / "parameters.md"
    page.write_text("`noise.sigma_max`, `params.yaml`, `nose.sigma_max`")
    assert unknown_keys(page) == ["nose.sigma_max"]
