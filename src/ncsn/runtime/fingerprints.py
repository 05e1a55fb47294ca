"""What of the code decides a stage's outs: one hash for each module that its script reaches.

The hash is that of the syntax tree without what decides no number: comments, docstrings, layout,
the words of an error or of a printed line. So DVC runs a stage again when its meaning changes, not
when its file does. Versions of libraries are no part of it: they stand in each MLflow run, and a
patch release of torch must not throw a week of training away.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "ncsn"

# Modules that decide no result, with the reason. Neither they nor what they alone import counts.
UNDECIDING = {
    "ncsn.base.entry": "how a script starts and ends",
    "ncsn.base.errors": "the exceptions of a user's mistake",
    "ncsn.base.marked": "which folders may be replaced",
    "ncsn.base.outside": "where a user's files lie; `source` watches what they hold",
    "ncsn.base.progress": "what a person sees while work runs",
    "ncsn.base.ranked": "which of torchrun's processes this one is",
    "ncsn.base.reading": "gives a file's bytes as they are, or an error",
    "ncsn.base.records": "gives a file's values as they are, or an error",
    "ncsn.base.staging": "where a file lies until it is whole",
    "ncsn.base.yaml_file": "reads params.yaml, whose values DVC tracks itself",
    "ncsn.config": "checks params.yaml, whose values DVC tracks itself",
    "ncsn.data.download": "brings files that are known by their hash",
    "ncsn.data.labels": "refuses labels, and changes none",
    "ncsn.evaluate.doubt": "words of a warning",
    "ncsn.evaluate.feature_cache": "gives features as they were computed, by what decides them",
    "ncsn.runtime.dag": "makes the keys themselves",
    "ncsn.runtime.fingerprints": "makes the keys themselves",
    "ncsn.runtime.launch": "starts the processes that share work",
    "ncsn.runtime.ranks": "shares work, whose result is one process's up to the order of sums",
    "ncsn.runtime.times": "notes seconds beside the outs",
    "ncsn.runtime.unfinished": "where interrupted work waits; resumed work equals unbroken work",
    "ncsn.train.doubt": "words of a warning",
    "ncsn.tracking": "publishes what is there; a training does not know of it",
}
PRESENTING = ("report", "track")  # stages whose outs show all that, so that everything counts
_REFUSING = "ncsn.config.sections"  # ... but what refuses values, changes none and is not shown
_UNDECIDING_CALLS = {"print", "notice", "warn"}


def fingerprint(stage: str, root: str | Path = ".") -> dict[str, str]:
    """Returns a hash by module name, for a stage's script and every module that it reaches.

    Imports inside functions count, and the `__init__.py` of each package.

    Args:
        stage: name of a stage, which is that of its script in pipeline/.
        root: the project's top folder.
    """
    script, src = f"pipeline/{stage}.py", Path(root) / "src"
    found: dict[str, str] = {}
    looked_up: set[str] = set()
    waiting = [(script, Path(root) / script)]
    while waiting:
        name, file = waiting.pop()
        left_out = {_REFUSING} if stage in PRESENTING else UNDECIDING
        if name not in found and not _is_in(name, left_out):
            module = _module(file.read_text(encoding="utf-8"))
            found[name] = module.hash
            fresh = module.imports - looked_up
            looked_up |= fresh
            waiting += [place for wanted in fresh for place in _files(wanted, src)]
    return dict(sorted(found.items()))


class _Module(NamedTuple):
    """What a source means, and the names of this package's modules that it imports."""

    hash: str
    imports: frozenset[str]


def code_hash(text: str) -> str:
    """Returns 16 hexadecimal digits of the meaning of a module's source.

    The same for every version of Python: fields that a newer one adds to its trees are empty in
    code that does not use them, and empty fields are left out.
    """
    return _module(text).hash


@functools.cache
def _module(text: str) -> _Module:
    tree = ast.parse(text)
    imports = frozenset(_imported(tree))  # first: what decides nothing may import all the same
    meaning = json.dumps(_plain(_Deciding().visit(tree)), sort_keys=True)
    return _Module(hashlib.sha256(meaning.encode()).hexdigest()[:16], imports)


class _Deciding(ast.NodeTransformer):
    """Drops what decides no number."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == "main":  # of a script: it returns the line that `entry` prints
            node.body = [part for part in node.body if not _is_text(part)]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):  # a docstring
            return None
        if isinstance(node.value, ast.Call) and _called(node.value) in _UNDECIDING_CALLS:
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Return) and isinstance(part.value, ast.JoinedStr)


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _plain(node: Any) -> Any:
    """A tree as JSON values: the names of nodes, and of their fields that are not empty."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, ast.Constant):  # 1, 1.0 and True are equal, and mean different things
        return [type(node.value).__name__, repr(node.value)]
    if isinstance(node, ast.AST):
        fields = {name: _plain(value) for name, value in ast.iter_fields(node)}
        return [type(node).__name__, {k: v for k, v in fields.items() if v not in (None, [])}]
    return node


def _imported(tree: ast.Module) -> Iterator[str]:
    """Names of this package's modules in the imports of a source, and of what they give."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == PACKAGE)


def _files(name: str, src: Path) -> Iterator[tuple[str, Path]]:
    """The module of a dotted name, where it is one, and the packages that it lies in."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        place = src.joinpath(*parts[:count])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield ".".join(parts[:count]), file


def _is_in(name: str, modules: Iterable[str]) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in modules)
