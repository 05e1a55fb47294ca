"""Which library modules a script imports, read from the syntax trees.

DVC reruns a stage when one of its deps changes, so each stage must list exactly the modules that
it imports, directly or through others. `pipeline/deps.py` writes the lists into dvc.yaml; a test
compares them.
"""

import ast
from pathlib import Path

PACKAGE = "ncsn"


def imported_modules(script: str | Path, src: str | Path = "src") -> list[Path]:
    """Returns the files of all modules of this package that `script` imports, sorted.

    Imports inside functions count, and a package's `__init__.py` if it holds more than text.
    """
    src = Path(src)
    found: set[Path] = set()
    open_files = [Path(script)]
    while open_files:
        for module in direct_imports(open_files.pop(), src):
            if module not in found:
                found.add(module)
                open_files.append(module)
    return sorted(found)


def direct_imports(file: Path, src: Path) -> list[Path]:
    """Returns the files of this package's modules that one file names in its imports."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    inside = [src.joinpath(*name.split(".")) for name in names if name.startswith(PACKAGE)]
    modules = {path.with_suffix(".py") for path in inside if path.with_suffix(".py").is_file()}
    packages = {module.parent / "__init__.py" for module in modules}
    return sorted(modules | {package for package in packages if _has_code(package)})


def _has_code(package: Path) -> bool:
    body = ast.parse(package.read_text(encoding="utf-8")).body
    return not all(isinstance(node, ast.Expr) for node in body)
