import math

import numpy as np
import pytest

from maskrcnn.data import DataError, load_cvat

MASK = '<mask label="a" rle="{rle}" left="10" top="5" width="4" height="3"></mask>'


@pytest.fixture
def cvat(tmp_path, save):
    """Writes an export of one picture of 60 x 40 px with the given shapes; returns its file."""

    def write(*shapes, labels="", picture="a.png", size=(60, 40), more=""):
        (tmp_path / "images").mkdir(exist_ok=True)
        save(tmp_path / "images" / "a.png")
        image = f'<image id="4" name="{picture}" width="{size[0]}" height="{size[1]}">{"".join(shapes)}</image>'
        path = tmp_path / "annotations.xml"
        path.write_text(f"<annotations><meta><labels>{labels}</labels></meta>{image}{more}</annotations>")
        return path

    return write


def test_every_shape_with_an_area(cvat):
    data = load_cvat(cvat(
        '<polygon label="b" points="1,2;11,2;11,12;1,12"/>',
        '<box label="a" xtl="20" ytl="10" xbr="30" ybr="30"/>',
        '<ellipse label="a" cx="45" cy="20" rx="10" ry="5"/>',
        '<polyline label="a" points="1,20;9,20;9,30;1,30;1,20.2"/>',
        MASK.format(rle="1, 2, 2, 2, 5"),
        '<tag label="dusk"/>',
    ))  # fmt: skip
    sample = data[0]
    assert data.class_names == ("a", "b") and sample.image_id == 4
    np.testing.assert_array_equal(sample.labels, [2, 1, 1, 1, 1])
    np.testing.assert_allclose(sample.boxes[:2], [[1, 2, 11, 12], [20, 10, 30, 30]])
    np.testing.assert_allclose(sample.areas[[0, 1, 3]], [100, 200, 80])
    assert sample.areas[2] == pytest.approx(math.pi * 50, rel=0.05)
    assert np.argwhere(sample.masks[4]).tolist() == [[5, 11], [5, 12], [6, 11], [6, 12]]  # runs go along the rows


def test_a_turned_box(cvat):
    """By a quarter it stands upright; by 30 degrees, clockwise, its right end sinks."""
    turned = '<box label="a" xtl="20" ytl="18" xbr="40" ybr="22" rotation="{}"/>'
    upright, slanted = load_cvat(cvat(turned.format(90), turned.format(30)))[0].masks
    assert np.argwhere(upright).min(axis=0).tolist() == [10, 28] and upright.sum() == 80
    rows, columns = np.nonzero(slanted)
    assert rows[columns > 35].mean() > 22 > 18 > rows[columns < 25].mean()


def test_labels_in_the_order_of_the_task(cvat):
    label = "<label><name>{}</name><type>{}</type></label>"
    labels = label.format("z", "any") + label.format("dusk", "tag") + label.format("a", "polygon")
    labels += "<label><name>eye</name><type>points</type><parent>z</parent></label>"
    path = cvat('<box label="a" xtl="2" ytl="1" xbr="30" ybr="30"/>', labels=labels)
    assert load_cvat(path).class_names == ("z", "a")
    assert load_cvat(path, class_names=["a", "other"])[0].labels.tolist() == [1]


def test_shapes_of_a_group_are_one_object(cvat):
    part = '<box label="{}" xtl="{}" ytl="1" xbr="{}" ybr="9" group_id="{}"/>'
    shapes = [part.format("a", 1, 9, 2), part.format("a", 30, 38, 2), part.format("b", 50, 58, 2)]
    sample = load_cvat(cvat(*shapes, part.format("a", 12, 20, 0), part.format("a", 22, 28, 0)))[0]
    assert sorted(sample.areas) == [48, 64, 64, 128]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<points label="a" points="1,2"/>', "shape 0: a points has no area"),
        ('<polyline label="a" points="1,2;3,4;5,9"/>', "a polyline has no area"),
        ('<polygon label="a" points="1,2;3,x"/>', 'a point must be a finite number, found "x"'),
        ('<box xtl="1" ytl="1" xbr="9" ybr="9"/>', "label must be a text"),
        ('<box label="a" xtl="1" ytl="1" xbr="9"/>', "ybr must be a finite number"),
        (MASK.format(rle="1, 2"), "runs of 3 px"),
    ],
)
def test_a_fault_names_file_picture_and_shape(shape, message, cvat):
    good = '<box label="a" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    path = cvat(shape, good)
    with pytest.raises(DataError, match=f"annotations.xml, image a.png, shape 0: .*{message.split(': ')[-1]}"):
        load_cvat(path)
    lenient = load_cvat(path, strict=False)
    assert sum(lenient.dropped.values()) == 1 and len(lenient[0].labels) == 1


def test_what_is_no_such_export(cvat, tmp_path):
    with pytest.raises(DataError, match="no such annotation file"):
        load_cvat(tmp_path / "x.xml")
    with pytest.raises(DataError, match="of CVAT for video"):
        load_cvat(cvat(more="<track/>"))
    path = cvat()
    path.write_text("<annotations>")
    with pytest.raises(DataError, match="not readable as XML"):
        load_cvat(path)


def test_a_project_has_a_folder_for_each_subset(cvat, tmp_path):
    path = cvat('<box label="a" xtl="1" ytl="1" xbr="9" ybr="9"/>')
    path.write_text(path.read_text().replace('name="a.png"', 'name="a.png" subset="train"'))
    (tmp_path / "images" / "train").mkdir()
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "train" / "a.png")
    assert load_cvat(path)[0].image.shape == (40, 60, 3)
