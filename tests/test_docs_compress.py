"""docs/compress.md: its Python runs, and the report that it shows is the one that is printed, but for ranges."""

import importlib.util
import re
from pathlib import Path

import keras
import numpy as np
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "compress.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(page, tmp_path_factory):
    """Names after the page's first two blocks, and what they printed."""
    first, second, _ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names, printed = {"__name__": "compress"}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        patch.setitem(names, "print", lambda *words: printed.append(" ".join(map(str, words))))
        keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
        exec(compile(first, "compress.md", "exec"), names)
        exec(compile(second, "compress.md", "exec"), names)
        names["size"] = Path("int8.safetensors").stat().st_size
    return names, "\n".join(printed) + "\n"


def test_the_report_is_the_one_shown(page, ran):
    (shown,) = re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL)

    def without_ranges(text):
        return re.sub(r"\[[^]]*\]", "[]", text)

    assert without_ranges(ran[1]) == without_ranges(shown)


def test_files_are_small_and_whole(ran):
    names, _ = ran
    x = names["samples"][0]
    answers, again = names["int8"](x), names["again"](x)
    assert all(np.array_equal(answers[key], again[key]) for key in answers)
    assert len(names["content"]) < 4 * names["small"].count_params() > names["size"]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None, reason="tfmot is not installed"
)
def test_the_block_of_tfmot_runs(page, ran):
    code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[2]
    names = dict(ran[0])
    exec(compile(code, "compress.md", "exec"), names)
    assert names["aware"].count_params() > names["twin"].count_params()
