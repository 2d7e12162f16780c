from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskrcnn.data import DataError
from maskrcnn.data.formats.regions import BAD_PART, extent, is_closed, make_region, polygons
from maskrcnn.data.formats.run_lengths import checked_runs, cut_masks, from_bitmap, pixel_box, pixel_count

SIZE = (40, 60)
SQUARE = np.array([10.0, 10, 30, 10, 30, 30, 10, 30])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_runs_are_read_in_both_forms(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    compressed = from_bitmap(mask)
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends, flat.size]).tolist()
    runs = [0, *runs] if flat[0] else runs
    for counts in (compressed["counts"].decode(), runs):
        found = checked_runs({"size": [height, width], "counts": counts}, height, width, "here")
        np.testing.assert_array_equal(cut_masks([found], height, width).whole()[0], mask)


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 6))
def test_empty_runs_change_nothing(runs, height):
    width = -(-max(1, sum(runs)) // height)
    runs = [*runs, height * width - sum(runs)]
    flat = np.concatenate([np.full(run, i % 2, bool) for i, run in enumerate(runs)])
    mask = flat.reshape(width, height).T
    found = checked_runs({"size": [height, width], "counts": runs}, height, width, "here")
    np.testing.assert_array_equal(cut_masks([found], height, width).whole()[0], mask)
    assert pixel_count(found) == mask.sum()
    if mask.any():
        rows, columns = np.nonzero(mask)
        assert pixel_box(found) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12) | st.text(max_size=4))
def test_any_text_for_runs_is_a_mask_of_the_size_or_an_error(text):
    try:
        found = checked_runs({"size": [4, 5], "counts": text}, 4, 5, "here")
    except DataError as error:
        assert error.reason == "bad mask" and str(error).startswith("here: ")
    else:
        assert cut_masks([found], 4, 5).whole().shape == (1, 4, 5)


@pytest.mark.parametrize("size", [(20, 30), (40, 61), (10, 6)])
def test_runs_of_another_picture(size):
    """A mask of another size under this picture's size: nothing may be made up for the rest."""
    text = coco_mask.encode(np.ones(size, np.uint8, order="F"))["counts"].decode()
    total = size[0] * size[1]
    for counts in (text, [0, total]):
        with pytest.raises(DataError, match=f"sum to {total}, expected 2400"):
            checked_runs({"size": [40, 60], "counts": counts}, 40, 60, "here")
    with pytest.raises(DataError, match="size") as caught:
        checked_runs({"size": list(size), "counts": text}, 40, 60, "here")
    assert caught.value.reason == "image size"


@pytest.mark.parametrize("counts", [None, "", 3, ["0", "2400"], [0.5, 2399.5], [-1, 2401], [True, 2399], {}, [None]])
def test_runs_of_other_types(counts):
    with pytest.raises(DataError, match="here: ") as caught:
        checked_runs({"size": [40, 60], "counts": counts}, 40, 60, "here")
    assert caught.value.reason == "bad mask"


@pytest.mark.parametrize("size", [None, 3, [40], [40, 60, 1], [None, None], ["x", 60], "4060"])
def test_sizes_of_other_types(size):
    with pytest.raises(DataError, match="here: "):
        checked_runs({"size": size, "counts": [0, 2400]}, 40, 60, "here")


FLAT = {
    "a line": [10.0, 10, 20, 20, 30, 30],
    "an upright line": [10.0, 10, 10, 20, 10, 30],
    "a point": [5.0, 5, 5, 5, 5, 5],
    "there and back": [10.0, 10, 30, 20, 10, 10],
    "less than a pixel": [10.1, 10.1, 10.3, 10.1, 10.2, 10.3],
}


@pytest.mark.parametrize("name", FLAT)
def test_a_mask_without_a_pixel(name):
    with pytest.raises(DataError, match="no pixel|no area") as caught:
        make_region("here", 1, [np.array(FLAT[name])], SIZE, Counter())
    assert caught.value.reason == "no area"
    with pytest.raises(DataError, match="no area"):
        make_region("here", 1, [from_bitmap(np.zeros(SIZE, bool))], SIZE, Counter())


def test_box_and_outline_agree():
    def region(*box, parts=(SQUARE,)):
        return make_region("here", 1, parts, SIZE, Counter(), box)

    for near in ((10, 10, 30, 30), (9, 11, 31, 29), (10, 10, 36, 34), (12.5, 8, 33, 30)):
        assert region(*near).box == near
    centred = (20, 20, 40, 40)  # x, y of the middle taken for the corner
    corners = (10, 10, 40, 40)  # x1, y1 taken for width, height
    for wrong in ((35, 5, 55, 15), centred, corners, (0, 0, 60, 40), (15, 15, 18, 18)):
        with pytest.raises(DataError, match="do not agree") as caught:
            region(*wrong)
        assert caught.value.reason == "box elsewhere"
    tiny = np.array([10.0, 10, 12, 10, 12, 12, 10, 12])
    assert region(10, 10, 11, 11, parts=[tiny]).box == (10, 10, 11, 11)  # rounded


def test_a_bad_part_costs_itself_only():
    bad = Counter()
    parts = polygons([[35, 5, 36, 6], SQUARE.tolist(), [], [1, 2, 3, 4, 5, 6, 7]], "here", bad)
    assert len(parts) == 1 and bad == {BAD_PART: 3}
    bad.clear()
    outside, line = np.array([90.0, 10, 99, 10, 99, 30]), np.array([5.0, 5, 9, 5, 7, 5])
    region = make_region("here", 1, [outside, SQUARE, line], SIZE, bad)
    assert region.area == 400 and region.box == (10, 10, 30, 30) and bad == {BAD_PART: 2}
    with pytest.raises(DataError, match="largely outside"):
        make_region("here", 1, [outside], SIZE, Counter())
    with pytest.raises(DataError, match="finite"):
        polygons([SQUARE.tolist(), [1, 2, None, 4, 5, 6]], "here", Counter())


def test_wild_coordinates_are_refused_before_they_are_drawn():
    for far in (1e9, 1e300):
        with pytest.raises(DataError, match="largely outside"):
            make_region("here", 1, [np.array([0, 0, far, 0, far, far, 0, far])], SIZE, Counter())


def test_parts_of_both_kinds_are_one_mask():
    other = np.zeros(SIZE, bool)
    other[0:5, 50:60] = True
    region = make_region("here", 1, [SQUARE, from_bitmap(other)], SIZE, Counter())
    assert region.area == 450 and region.box == (10, 0, 60, 30) == pixel_box(region.mask)
    assert extent([from_bitmap(np.zeros(SIZE, bool))]) == (0, 0, 0, 0)


def test_the_sources_area_counts_if_it_is_one():
    def area(stated):
        return make_region("here", 1, [SQUARE], SIZE, Counter(), area=stated).area

    assert [area(stated) for stated in (None, 0, -1, 123.5)] == [400, 400, 400, 123.5]


def test_closed():
    square = [(0, 0), (9, 0), (9, 9), (0, 9)]
    assert is_closed([*square, (0, 0)]) and is_closed([*square, (0.5, 0.5)])
    assert not is_closed(square) and not is_closed([(0, 0), (1, 1), (0, 0)]) and not is_closed([])
