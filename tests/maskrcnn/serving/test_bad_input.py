"""Pictures that are odd get the right answer; what is no picture gets a 4xx with a reason; the server lives."""

import io
import struct
import tempfile
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from maskrcnn.serving import Limits, create_app

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8)
SIZED = "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"


def png_of_size(width, height):
    """A PNG that claims a size, and has no pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def animated(format):
    stream = io.BytesIO()
    frames = [Image.new("RGB", (40, 24), colour) for colour in ("red", "green", "blue")]
    frames[0].save(stream, format, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def turned():
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


GOOD = {
    "cmyk jpeg": lambda photo: photo("JPEG", "CMYK", pixels=PIXELS),
    "16-bit png": lambda photo: photo(pixels=np.full((24, 40), 30_000, np.uint16)),
    "32-bit float tiff": lambda photo: photo("TIFF", pixels=np.full((24, 40), 0.5, np.float32)),
    "grey and alpha": lambda photo: photo(mode="LA", pixels=PIXELS),
    "one bit": lambda photo: photo(mode="1", pixels=PIXELS),
    "palette": lambda photo: photo(mode="P", pixels=PIXELS),
    "still gif": lambda photo: photo("GIF", pixels=PIXELS),
    "animated gif": lambda photo: animated("GIF"),
    "animated webp": lambda photo: animated("WEBP"),
    "animated png": lambda photo: animated("PNG"),
    "bytes after its end": lambda photo: photo("JPEG", pixels=PIXELS) + b"<script>",
}


@pytest.mark.parametrize("kind", GOOD)
def test_odd_pictures_are_read(post, photo, kind):
    response = post(GOOD[kind](photo), name="a.xyz")
    assert response.status_code == 200, response.text
    assert (response.json()["width"], response.json()["height"]) == (40, 24)


@pytest.mark.parametrize("format", SIZED)
def test_every_format_of_cameras_and_browsers(post, photo, format):
    assert post(photo(format)).status_code == 200


def test_a_turned_photo_is_answered_as_viewers_show_it(post):
    answer = post(turned(), score_threshold=0).json()
    assert (answer["width"], answer["height"]) == (24, 40)
    assert answer["masks"][0]["size"] == [40, 24] and np.max(answer["boxes"], axis=0)[3] > 24


def test_a_picture_of_one_pixel(post, photo):
    assert post(photo(size=(1, 1))).status_code == 200


BAD = {
    "empty file": (lambda photo: b"", 422, "the file is empty"),
    "text": (lambda photo: b"hello, I am no picture", 422, "no known format"),
    "html": (lambda photo: b"<html><script>alert(1)</script>", 422, "no known format"),
    "truncated jpeg": (lambda photo: photo("JPEG", size=(200, 200))[:3000], 422, "truncated"),
    "truncated png": (lambda photo: photo(size=(200, 200))[:3000], 422, "cannot be read"),
    "half a header": (lambda photo: photo()[:20], 422, "cannot be read"),
    "0x0": (lambda photo: png_of_size(0, 0), 422, "cannot be read"),
    "bomb of 400 million pixels": (lambda photo: png_of_size(20_000, 20_000), 413, "too large"),
    "more pixels than the limit": (lambda photo: png_of_size(5000, 5000), 413, "5000x5000 px; at most 16,000,000"),
    "a million by one": (lambda photo: png_of_size(2**31 - 1, 1), 413, "too large"),
    "values of no known range": (
        lambda photo: photo("TIFF", pixels=np.full((4, 4), -9, np.float32)), 422, "values run from -9",
    ),
    "postscript, which would start a program": (lambda photo: photo("EPS"), 422, "no known format"),
    "portable pixmap": (lambda photo: photo("PPM"), 422, "no known format"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_refused_with_a_reason(client, post, photo, kind):
    make, status, reason = BAD[kind]
    response = post(make(photo), name="mine.jpg")
    assert response.status_code == status and reason in response.json()["detail"], response.text
    assert response.json()["detail"].startswith("mine.jpg: ") and "\n" not in response.json()["detail"]
    assert post().status_code == 200 and client.get("/healthz").json()["waiting"] == 0


FORMS = {
    "wrong field": (dict(files={"file": ("a.png", b"x")}), 422, "no file came in the field 'image' (fields: 'file')"),
    "text in the field": (dict(files={"image": (None, "a.png")}), 422, "no file came in the field 'image'"),
    "two files": (dict(files=[("image", ("a.png", b"x")), ("image", ("b.png", b"y"))]), 422, "2 files came"),
    "a hundred files": (dict(files=[("image", ("a.png", b"x"))] * 100), 422, "Too many files"),
    "no form": (dict(), 415, "the content type is none"),
    "json": (dict(json={"image": "a"}), 415, "the content type is application/json"),
    "url-encoded": (dict(data={"image": "a"}), 415, "application/x-www-form-urlencoded"),
    "no boundary": (dict(content=b"x", headers={"Content-Type": "multipart/form-data"}), 422, "boundary"),
    "broken form": (
        dict(content=b"rubbish", headers={"Content-Type": "multipart/form-data; boundary=a"}), 422, "cannot be read",
    ),
    "unfinished form": (
        dict(content=b'--a\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nxyz',
             headers={"Content-Type": "multipart/form-data; boundary=a"}), 422, "",
    ),
    "unknown model": (dict(params={"model": "nobody"}), 404, "no model 'nobody'; there are dense, pruned"),
    "threshold of 7": (dict(params={"score_threshold": 7}), 422, "score_threshold = '7'"),
    "threshold of nan": (dict(params={"score_threshold": "nan"}), 422, "score_threshold = 'nan'"),
    "no detections": (dict(params={"max_detections": 0}), 422, "max_detections = '0'"),
    "masks as soup": (dict(params={"masks": "soup"}), 422, "'rle', 'polygons' or 'none'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_wrong_requests_are_refused_with_a_reason(client, post, kind):
    arguments, status, reason = FORMS[kind]
    response = client.post("/detect", **arguments)
    assert response.status_code == status and reason in response.json()["detail"], response.text
    assert post().status_code == 200


def test_the_wrong_method_or_path(client):
    assert client.get("/detect").status_code == 405 and client.get("/nowhere").status_code == 404


def test_another_site_that_points_its_name_here_is_refused(client, models):
    assert client.get("/models", headers={"Host": "evil.example"}).status_code == 400
    from fastapi.testclient import TestClient

    open_to_all = TestClient(create_app(models, hosts=("*",)), base_url="http://somewhere.example")
    assert open_to_all.get("/healthz").status_code == 200


def test_nothing_is_written_to_disk(post, photo, monkeypatch):
    def refused(*arguments, **keywords):
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refused)
    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    large = photo("BMP", size=(1000, 700))
    assert len(large) > 2**21 and post(large, masks="none").status_code == 200


@pytest.mark.parametrize("stated", [True, False])
def test_two_hundred_megabytes_are_refused_and_not_kept(written, app_of, live, web, stated):
    piece, pieces = bytes(2**20), 200

    def body():
        yield b'--a\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(pieces):
            yield piece

    headers = {"Content-Type": "multipart/form-data; boundary=a"}
    if stated:
        headers["Content-Length"] = str(pieces * 2**20 + 67)
    with live(app_of(written, Limits(body_bytes=4 * 2**20))) as url:
        tracemalloc.start()
        try:
            response = web.post(f"{url}/detect", content=body(), headers=headers)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert response.status_code == 413 and "larger than 4 MiB" in response.json()["detail"]
        assert peak < 30 * 2**20 and written.calls == 1, "nothing but the warm-up"
        assert web.get(f"{url}/healthz").json()["waiting"] == 0
