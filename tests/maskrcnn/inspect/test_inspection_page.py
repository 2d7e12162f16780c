import re

import numpy as np
import pytest
from PIL import Image

import maskrcnn
from maskrcnn import inspect
from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.stage_texts import TITLES


@pytest.fixture(scope="module")
def pages(model, sample, tmp_path_factory):
    data, folder = maskrcnn.data.shapes(3, 64, seed=1), tmp_path_factory.mktemp("pages")
    layers = ["rpn_conv", "box_fc1"]
    known = inspect.look_into(model, sample.image, "dense & sound", sample, layers, score_threshold=0.0)
    unknown = inspect.look_into(model, sample.image, "other", None, layers, score_threshold=0.999)
    panels = inspect.data_panels(model, data, worst=1, progress=False)
    return {
        "one": inspect.write_page(folder / "one", sample.name, [known], [panels], "3 pictures"),
        "two": inspect.write_page(folder / "two", sample.name, [known, known]),
        "unknown": inspect.write_page(folder / "unknown", sample.name, [unknown]),
    }


@pytest.mark.slow
def test_every_stage_is_there_and_nothing_comes_from_elsewhere(pages):
    text = pages["one"].read_text(encoding="utf-8")
    for stage, title in TITLES.items():
        assert f'<section id="stage-{stage}">' in text and title in text
    assert '<section id="data">' in text
    assert not re.search(r"https?:|//[a-z]", text)
    assert "dense &amp; sound" in text


@pytest.mark.slow
def test_every_figure_is_a_picture_with_a_text(pages):
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        found = r'<img src="([^"]+)" width="(\d+)" height="(\d+)"[^>]*?alt="([^"]+)"'
        images = re.findall(found, text, flags=re.DOTALL)
        assert len(images) == text.count("<img ") > 15
        for source, width, height, alt in images:
            picture = Image.open(path.parent / source)
            assert picture.size == (int(width), int(height)) and len(alt) > 30
            assert len(set(picture.convert("L").tobytes())) > 2, f"{source} is empty"
        written = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        assert written < 10e6


@pytest.mark.slow
def test_two_models_have_figures_of_what_changed(pages):
    text = pages["two"].read_text(encoding="utf-8")
    assert text.count("What changed") == 6
    changes = re.findall(r'<td class="n">([^<]*)</td></tr>', text)
    assert len(changes) > 25 and set(changes) == {"0"}
    assert "What changed" not in pages["one"].read_text(encoding="utf-8")


@pytest.mark.slow
def test_without_truth_the_panels_say_so(pages):
    text = pages["unknown"].read_text(encoding="utf-8")
    assert text.count('<p class="unknown">') >= 4
    assert "objects are not known" in text and "Nothing scores above 0.999" in text


def test_three_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one model or two, not 3"):
        inspect.write_page(tmp_path, "x", [None, None, None])


def test_colour_splash_by_hand():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 200
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = masks[1, 1, 1] = True
    found = inspect.colour_splash(image, masks)
    assert found[0, 0].tolist() == found[1, 1].tolist() == [200, 0, 0]
    assert found[0, 1].tolist() == found[1, 0].tolist() == [60, 60, 60]
    assert (inspect.colour_splash(image, masks[:0]) == 60).all()


def test_drawing_leaves_the_readers_own_style_alone(stages):
    import matplotlib

    before = dict(matplotlib.rcParams)
    canvas.pixels(inspect.stage_panels(stages)[1].draw())
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in vars(canvas)
