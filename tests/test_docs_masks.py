"""docs/masks.md: its Python runs, and prints what the page says."""

import re
from pathlib import Path

import keras

PAGE = Path(__file__).parents[1] / "docs" / "masks.md"


def test_the_python_prints_what_the_page_says(capsys):
    ((code, printed),) = re.findall(
        r"```python\n(.*?)```\s+```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    exec(compile(code, "masks.md", "exec"), {"__name__": "masks"})
    assert capsys.readouterr().out == printed
