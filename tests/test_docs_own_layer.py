"""docs/own_layer.md: its Python runs, and prints what the page says."""

import re
from pathlib import Path

import keras

PAGE = Path(__file__).parents[1] / "docs" / "own_layer.md"


def test_the_python_prints_what_the_page_says(capsys):
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == page.count("```python") == 2
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    keras.utils.set_random_seed(0)
    names = {"__name__": "own_layer"}
    for code, printed in blocks:
        exec(compile(code, "own_layer.md", "exec"), names)
        assert capsys.readouterr().out == printed
