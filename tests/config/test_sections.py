"""Each section of params.yaml has a file of its own, and each key a sentence."""

import ast
from pathlib import Path

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config import params
from ncsn.config.params import Params

FOLDER = Path(params.__file__).parent / "sections"
SHARED = {"__init__", "complaints", "kinds"}
SECTIONS = list(read_yaml(Path(__file__).parents[2] / "params.yaml"))


def test_one_file_per_section():
    assert {file.stem for file in FOLDER.glob("*.py")} - SHARED == set(SECTIONS)
    assert list(Params.model_fields) == SECTIONS


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_is_one_class_whose_keys_all_have_a_sentence(section):
    module = ast.parse((FOLDER / f"{section}.py").read_text())
    (found,) = [node for node in module.body if isinstance(node, ast.ClassDef)]
    assert found.name == Params.model_fields[section].annotation.__name__
    imported = {n.module for n in ast.walk(module) if isinstance(n, ast.ImportFrom)}
    assert {name for name in imported if name.startswith("ncsn")} == {"ncsn.config.sections.kinds"}
    told = {}
    for field, after in zip(found.body, [*found.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            constant = after.value if isinstance(after, ast.Expr) else None
            told[field.target.id] = constant.value if isinstance(constant, ast.Constant) else ""
    assert set(told) == set(Params.model_fields[section].annotation.model_fields)
    silent = [key for key, text in told.items() if len(text.split()) < 4 or text[-1] != "."]
    assert silent == []
