"""docs/tradeoff.ipynb runs from top to bottom, and is kept without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest

PATH = Path(__file__).parents[1] / "docs" / "tradeoff.ipynb"


@pytest.fixture(scope="module")
def cells():
    """The code cells, after a run."""
    notebook = nbformat.read(PATH, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before a commit"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(PATH.parent)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_five_cells_show_what_they_say(cells):
    read, table, tradeoff, verdict, own = ([output for output in cell.outputs] for cell in cells)
    assert "masks (mask_iou)" in text(read) and "tradeoff" in text(read)
    assert "taylor" in table[-1]["data"]["text/html"] and "mask_iou" in table[-1]["data"]["text/html"]
    assert "masks: taylor keeps more quality than l1" in text(verdict)
    for outputs in (tradeoff, own):
        assert sum("image/png" in output.get("data", {}) for output in outputs) == 1


def text(outputs):
    """What a cell prints."""
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")
