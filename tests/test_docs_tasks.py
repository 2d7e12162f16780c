"""docs/tasks.md: its Python runs from top to bottom, prints what the page says, and makes the page's pictures."""

import re
from pathlib import Path

import keras
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tasks.md"
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*")


def blocks():
    """(code, what it prints or None) of the page."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```(?:\s+```text\n(.*?)```)?", page, flags=re.DOTALL)
    assert len(found) == page.count("```python") and sum(bool(text) for _, text in found) == page.count("```text")
    return found


def heads(text):
    """The first word of every line, numbers aside: what another processor's rounding does not change."""
    return [NUMBER.sub("#", line.split()[0]) for line in text.strip().splitlines()]


@pytest.mark.slow
def test_the_python_runs_and_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    names = {"__name__": "tasks"}
    for code, said in blocks():
        exec(compile(code, "tasks.md", "exec"), names)
        printed = capsys.readouterr().out
        if said:
            assert heads(printed) == heads(said), printed
        if "MACs ->" in printed:
            kept = [float(share) for share in re.findall(r"kept (\d+)%", printed)]
    assert len(kept) == 3 and min(kept) > 80
    assert names["found"].trial.held and len(names["found"].trials) == 4
    assert set(names["ratios"]) == {"conv1", "conv2", "shared"} and all(0 <= r < 1 for r in names["ratios"].values())
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        made = tmp_path / picture if "/" not in picture else PAGE.parent / picture  # the others are of results/
        assert made.is_file() and (PAGE.parent / picture).is_file(), picture
