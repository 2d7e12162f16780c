import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from maskrcnn.data import DataError, read_picture
from maskrcnn.data.picture_files.image_file import inspect_picture, is_junk, locate, picture_paths, read_image

RAMP = np.arange(40 * 60).reshape(40, 60)


def turned_file(path, orientation, **save):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif, **save)
    return pixels


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    stored = turned_file(path, orientation, **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(path) as picture:
        shown = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_picture(path), shown)
    np.testing.assert_array_equal(read_picture(path, turned=False), stored)
    for exif, pixels in (("apply", shown), ("ignore", stored)):
        file = inspect_picture(path, tmp_path, exif=exif)
        assert (file.height, file.width) == pixels.shape[:2]
        np.testing.assert_array_equal(read_image(file), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_which_way_round_was_annotated(tmp_path, orientation):
    """The stated size tells; where it does not, the tool does; else nothing is guessed."""
    path = tmp_path / "a.png"
    turned_file(path, orientation)
    quarter = orientation >= 5
    shown = (60, 40) if quarter else (40, 60)
    assert inspect_picture(path, tmp_path, None, tool_turns=True).turn == orientation
    for tool_turns in (False, True):
        if quarter:
            assert inspect_picture(path, tmp_path, (60, 40), tool_turns).turn == orientation
            assert inspect_picture(path, tmp_path, (40, 60), tool_turns).turn == 1
        with pytest.raises(DataError, match="states 61x40 px"):
            inspect_picture(path, tmp_path, (40, 61), tool_turns=True)
    for stated in (None,) if quarter else (None, shown):
        if orientation == 1:
            assert inspect_picture(path, tmp_path, stated).turn == 1
        else:
            with pytest.raises(DataError, match=f"EXIF orientation {orientation}.*exif=\"apply\"") as caught:
                inspect_picture(path, tmp_path, stated)
            assert caught.value.reason == "EXIF orientation"


def test_another_way_to_treat_turns_is_no_way(tmp_path):
    turned_file(tmp_path / "a.png", 6)
    with pytest.raises(ValueError, match="exif='yes': expected one of auto, apply, ignore"):
        inspect_picture(tmp_path / "a.png", tmp_path, exif="yes")


def test_broken_exif_is_no_fault(tmp_path):
    pixels = np.full((4, 6, 3), 9, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=b"Exif\0\0rubbish", quality=95)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - 9).max() <= 2
    turned_file(tmp_path / "a.png", 9)
    assert inspect_picture(tmp_path / "a.png", tmp_path).turn == 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "CMYK", "1", "YCbCr"])
def test_pixel_formats_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.fromarray(np.full((40, 60, 3), 255, np.uint8)).convert(mode).save(path)
    image = read_picture(path)
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8 and image.min() >= 254


def test_palette_with_transparency(tmp_path):
    picture = Image.new("P", (6, 4), 1)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.save(tmp_path / "a.png", transparency=0)
    assert (read_picture(tmp_path / "a.png") == [10, 200, 30]).all()


WIDE = {
    "sixteen bits": (RAMP * 27, "uint16", RAMP * 27 >> 8),
    "sixteen bits in 32": (RAMP * 27, "int32", RAMP * 27 >> 8),
    "eight bits in 32": (RAMP % 200, "int32", RAMP % 200),
    "floats to 1": (RAMP / RAMP.max(), "float32", np.round(RAMP / RAMP.max() * 255)),
    "floats to 255": (RAMP % 256, "float32", RAMP % 256),
    "black floats": (RAMP * 0, "float32", RAMP * 0),
}


@pytest.mark.parametrize("name", WIDE)
def test_wide_values_are_scaled_by_their_range(tmp_path, name):
    values, kind, expected = WIDE[name]
    Image.fromarray(values.astype(kind)).save(tmp_path / "a.tif")
    image = read_picture(tmp_path / "a.tif")
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image, np.repeat(expected[:, :, None], 3, axis=2), atol=1)


@pytest.mark.parametrize(
    "values", [RAMP.astype("int32") - 5, RAMP.astype("int32") * 100, np.float32(RAMP), np.float32(RAMP / -9),
               np.float32(RAMP / RAMP.max() * 1.1), np.full((4, 4), np.nan, np.float32)],
)  # fmt: skip
def test_values_of_no_known_range_are_refused_when_loaded(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    for read in (read_picture, lambda path: inspect_picture(path, tmp_path)):
        with pytest.raises(DataError, match=r"a\.tif: the picture's values run from .*8-bit"):
            read(tmp_path / "a.tif")


def test_too_large(tmp_path, monkeypatch):
    Image.new("L", (60, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for read in (read_picture, lambda path: inspect_picture(path, tmp_path)):
        with warnings.catch_warnings(), pytest.raises(DataError, match=r"a\.png: the picture is too large") as caught:
            warnings.simplefilter("ignore")
            read(tmp_path / "a.png")
        assert "\n" not in str(caught.value) and "Save it again" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n123", b"GIF89a"])
def test_broken(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png: the picture cannot be read") as caught:
        read_picture(tmp_path / "a.png")
    assert str(caught.value).count("a.png") == 1 and caught.value.reason == "unreadable image"


def test_missing(tmp_path):
    for path in (tmp_path / "a.png", tmp_path):
        with pytest.raises(DataError, match="missing|cannot be read"):
            read_picture(path)


def test_junk_of_macos_is_no_picture(tmp_path):
    for name in ("b.PNG", "._b.PNG", "a.jpeg", "._a.jpeg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in picture_paths(tmp_path)] == ["a.jpeg", "b.PNG"]
    assert is_junk(tmp_path / "._x.json") and not is_junk(tmp_path / "_x.json")


def test_paths_from_windows(tmp_path):
    (tmp_path / "odd\\name.png").touch()
    assert locate(tmp_path, "odd\\name.png") == tmp_path / "odd\\name.png"  # legal elsewhere
    assert locate(tmp_path, "sub\\deep\\a.png") == tmp_path / "sub" / "deep" / "a.png"
    assert locate(tmp_path, "..\\a.png") == tmp_path / ".." / "a.png"
    assert locate(tmp_path, "C:\\photos\\a.png") == tmp_path / "a.png"
    assert locate(tmp_path, "\\\\server\\photos\\a.png") == tmp_path / "a.png"
    assert locate(tmp_path, "sub/a.png") == tmp_path / "sub" / "a.png"
