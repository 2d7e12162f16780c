"""Two tiny models behind an application; and a model whose detections are written down, which can be made to wait."""

import contextlib
import io
import socket
import threading
from types import SimpleNamespace

import httpx2 as httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient
from PIL import Image

from maskrcnn import Detections
from maskrcnn.serving import ServedModel, create_app
from maskrcnn.serving.web_server import run

HOME = "http://localhost"


class Written:
    """Answers every picture with two overlapping cats and a dog; waits for `go` while it is not set."""

    config = SimpleNamespace(class_names=("cat", "dog"), min_size=64, max_size=64, detection_min_score=0.05)
    network = SimpleNamespace(count_params=lambda: 7)

    def __init__(self):
        self.go, self.calls = threading.Event(), 0
        self.go.set()

    def detect(self, image, score_threshold=None):
        self.calls += 1
        assert self.go.wait(20)
        height, width = image.shape[:2]
        masks = np.zeros((3, height, width), bool)
        masks[0, : height // 2] = masks[1, : height // 4] = masks[2, :, : width // 4] = True
        corners = ((width, height // 2), (width, height // 4), (width // 4, height))
        boxes = np.array([(0, 0, *corner) for corner in corners], np.float32)
        return Detections(boxes, np.array([1, 1, 2], np.int32), np.array([0.9, 0.8, 0.7], np.float32), masks)


@contextlib.contextmanager
def served(app):
    """The address of a real server of the application, in a thread of its own."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        ready, servers = threading.Event(), []
        thread = threading.Thread(target=run, args=(app, place, ready.set, servers.append))
        thread.start()
        try:
            assert ready.wait(60)
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            servers[0].should_exit = True
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def live():
    """Context manager: an application -> the address of a real server of it."""
    return served


@pytest.fixture
def written():
    return Written()


@pytest.fixture
def app_of():
    """Makes an application of one model that is written down."""
    return lambda model, *limits: create_app([ServedModel("pets", model)], *limits)


@pytest.fixture(scope="session")
def models(tiny):
    """Two tiny models; at a score threshold of 0 they find as much as they may."""
    return [
        ServedModel("dense", tiny(), macs=2_000_000, macs_for="64x64 px", file_bytes=1000),
        ServedModel("pruned", tiny(fpn_width=4)),
    ]


@pytest.fixture(scope="session")
def client(models):
    with TestClient(create_app(models), base_url=HOME) as found:
        yield found


@pytest.fixture(scope="session")
def photo():
    """Makes a picture file's bytes; its pixels are random, or those that are given."""

    def make(format="PNG", mode="RGB", size=(48, 32), pixels=None, **save):
        if pixels is None:
            pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
        picture = Image.fromarray(pixels)
        stream = io.BytesIO()
        (picture if picture.mode == mode or pixels.dtype != np.uint8 else picture.convert(mode)).save(
            stream, format, **save
        )
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def post(client, photo):
    """Posts a picture to /detect; keyword arguments are the query."""

    def ask(data=None, name="a.png", field="image", headers=None, **query):
        files = {field: (name, photo() if data is None else data)}
        return client.post("/detect", files=files, params=query, headers=headers)

    return ask


@pytest.fixture
def web():
    with httpx.Client(timeout=30) as found:
        yield found
