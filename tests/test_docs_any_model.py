"""docs/any_model.md: its Python runs, and prints what the page says."""

import re
from pathlib import Path

import keras
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "any_model.md"


@pytest.mark.slow
def test_the_python_prints_what_the_page_says(tmp_path, monkeypatch, capsys):
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == page.count("```python") == 3
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    names = {"__name__": "any_model"}
    for code, printed in blocks:
        exec(compile(code, "any_model.md", "exec"), names)
        assert capsys.readouterr().out == printed
    small = keras.models.load_model(tmp_path / "small.keras")
    last_total = re.findall(r"^total +([\d,]+)", blocks[0][1], flags=re.MULTILINE)[-1]
    assert f"{small.count_params():,}" == last_total
