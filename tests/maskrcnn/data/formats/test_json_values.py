import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.data import DataError
from maskrcnn.data.formats import json_values as read

WHERE = "f.json, annotation 7"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
READERS = (
    read.mapping, read.sequence, read.identifier, read.text, read.flag, read.number, read.numbers, read.pixels
)  # fmt: skip


@given(JSON)
def test_a_value_is_read_or_refused_with_its_name_and_place(value):
    for reader in READERS:
        try:
            reader(value, "this", WHERE)
        except DataError as error:
            assert str(error).startswith(f"{WHERE}: ") and "\n" not in str(error) and len(str(error)) < 250


@pytest.mark.parametrize(
    "value, meant",
    [(0, False), (1, True), ("0", False), ("1", True), ("false", False), (" True ", True), (None, False),
     (False, False), (True, True), (0.0, False), (1.0, True), ("", False)],
)  # fmt: skip
def test_flags_as_tools_write_them(value, meant):
    assert read.flag(value, "iscrowd", WHERE) is meant


@pytest.mark.parametrize("value", [2, -1, "maybe", [], [0], {}, math.nan, "2"])
def test_no_flag(value):
    with pytest.raises(DataError, match="annotation 7: iscrowd must be 0 or 1, found"):
        read.flag(value, "iscrowd", WHERE)


def test_ids():
    assert [read.identifier(v, "id", WHERE) for v in (3, 3.0, "3", "img 1", -1)] == [3, 3, "3", "img 1", -1]
    for wrong in (None, True, 1.5, "", " ", [1], {}, math.nan, math.inf, 10**400):
        with pytest.raises(DataError, match="id must be a whole number or a text") as caught:
            read.identifier(wrong, "id", WHERE)
        assert caught.value.reason == "bad id"


def test_numbers():
    assert read.numbers([1, 2.5, "3", -4e3], "points", WHERE) == [1, 2.5, 3, -4000]
    for wrong in ([None], [True], ["x"], [[1]], [math.nan], [10**400], 3, "12", None, {"a": 1}):
        with pytest.raises(DataError, match="points must be a"):
            read.numbers(wrong, "points", WHERE)
    assert read.pixels("640", "width", WHERE) == 640
    for wrong in (0, -3, 1.5, None, "x"):
        with pytest.raises(DataError, match="width must be"):
            read.pixels(wrong, "width", WHERE)


def test_names():
    assert [read.text(v, "name", WHERE) for v in (" a b ", 5)] == ["a b", "5"]
    for wrong in (None, "", " ", [], {}, True, 1.5):
        with pytest.raises(DataError, match="name must be a text"):
            read.text(wrong, "name", WHERE)


def test_json_files(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"x\.json: not readable as JSON"):
        read.read_json(path)
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode())  # as editors on Windows begin a file
    assert read.read_json(path) == {"a": 1}
    with pytest.raises(DataError, match="cannot be read"):
        read.read_json(tmp_path)
