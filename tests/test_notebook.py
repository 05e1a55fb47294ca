"""The notebook of the documents runs from end to end in a clone, and is kept without outputs."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny import environment, output_of, tiny_clone

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
needs_jupyter = pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None,
    reason="needs the extra `docs`: make docs",
)


@needs_jupyter
def test_it_is_kept_without_outputs():
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@needs_jupyter
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_runs_in_a_clone(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    clone = tiny_clone(tmp_path / "ncsn")
    for key, value in environment().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("PYTHONPATH", str(clone / "src"))  # the kernel begins in docs/
    notebook = nbformat.read(clone / "docs" / NOTEBOOK.name, as_version=4)
    (size,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    size.source = "QUICK = {}"  # the clone is tiny as it is
    place = {"metadata": {"path": str(clone / "docs")}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "\n".join(output.get("text", "") for output in outputs)
    assert "Running stage 'sample'" in said and "Running stage 'train'" not in said
    assert "sampler.epsilon     0.0001" in said and "* best value" in said
    assert "epsilon-digits: 12 trials new in the database" in said
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 2
    assert output_of(clone, "git", "status", "--short") == ""
