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


def alike(printed, said):
    """The same words, and numbers that differ as another processor's rounding makes them differ."""
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", said).split():
        return False
    numbers = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (printed, said)]
    return all(a == pytest.approx(b, rel=0.15, abs=8 if abs(b) > 3 else 0.08) for a, b in zip(*numbers, strict=True))


@pytest.mark.slow
def test_the_python_runs_and_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.backend.clear_session()
    names = {"__name__": "tasks"}
    for code, said in blocks():
        exec(compile(code, "tasks.md", "exec"), names)
        printed = capsys.readouterr().out
        if said:
            assert alike(printed, said), printed
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        assert (tmp_path / picture).is_file() and (PAGE.parent / picture).is_file(), picture
