"""docs/inspect_model.ipynb runs from top to bottom, on a network that has learnt little; it is kept without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest

PATH = Path(__file__).parents[1] / "docs" / "inspect_model.ipynb"


@pytest.fixture(scope="module")
def outputs():
    """What each code cell shows, after a run."""
    notebook = nbformat.read(PATH, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before a commit"
    with pytest.MonkeyPatch.context() as few:
        few.setenv("INSPECT_STEPS", "2")
        nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(PATH.parent)}}).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_every_stage_is_shown(outputs):
    _, anchors, proposals, masks, activations, weights, result, changes, data = outputs
    assert [pictures(one) for one in (anchors, proposals, activations, weights, data)] == [5, 6, 2, 2, 7]
    assert "Anchors on the pyramid" in text(anchors) and "28 x 28" in text(masks)
    assert "Colour splash" in text(result)
    assert "1  mean distance of objectness, all anchors: +0.0" in text(changes)


def pictures(found):
    """How many pictures a cell shows."""
    return sum("image/png" in output.get("data", {}) for output in found)


def text(found):
    """What a cell prints."""
    return "".join(output["text"] for output in found if output["output_type"] == "stream")
