"""The page at `/` in headless Chromium: from the keyboard, by a drop, on a phone's width, and when things go wrong."""

import shutil

import numpy as np
import pytest

from maskrcnn import Detections
from maskrcnn.serving import Limits, ServedModel, create_app

playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'taskprune[browser]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")]
MARKED = "<b>pruned</b>"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def address(written, live):
    other = type(written)()
    whole = other.detect

    def without_dog(image, threshold=None):
        found = whole(image)
        return Detections(found.boxes[:2], found.labels[:2], found.scores[:2], found.masks[:2])

    other.detect = without_dog
    dense, pruned = ServedModel("dense", written, 4_000_000, "64x64 px", 2000), ServedModel(MARKED, other, 1_000_000)
    with live(create_app([dense, pruned], Limits(body_bytes=2**20))) as url:
        yield url


@pytest.fixture
def opened(browser, address):
    """Makes a page of a width; what it loads, and the errors it logs, are looked at in the end."""
    pages = []

    def make(width, **context):
        page = browser.new_page(viewport={"width": width, "height": 900}, **context)
        page.faults, page.asked = [], []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        page.locator("article").nth(1).wait_for()
        pages.append(page)
        return page

    yield make
    for page in pages:
        assert not page.faults
        assert all(url.startswith((address, "data:", "blob:")) for url in page.asked)
        page.close()


def results(page):
    """Rows of the two tables, once both are filled."""
    page.locator("article:not([aria-busy]) tbody tr").nth(3).wait_for()
    tables = page.locator("article").all()
    return [[row.inner_text().split() for row in table.locator("tbody tr").all()] for table in tables]


def colours(page, x, y):
    """The pixel at a fraction of each canvas."""
    read = (
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(canvas.width * x, canvas.height * y, 1, 1).data]"
    )
    return [canvas.evaluate(read, [x, y]) for canvas in page.locator("canvas").all()]


def picture(photo):
    white = np.full((300, 400, 3), 255, np.uint8)
    return {"name": "<i>a</i>.png", "mimeType": "image/png", "buffer": photo(pixels=white)}


def test_from_the_keyboard(opened, photo):
    page = opened(1280)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.locator("label[for=file]").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(picture(photo))
    assert results(page) == [
        [["cat", "2", "50.0", "%"], ["dog", "1", "25.0", "%"]],
        [["cat", "2", "50.0", "%"], ["dog", "0", "0.0", "%"]],
    ]
    assert page.locator("h2").all_inner_texts() == ["dense", MARKED] and not page.locator("h2 b, label i").count()
    assert "−75 %" in page.locator("article").nth(1).inner_text()
    page.get_by_text("time, median of 5").nth(1).wait_for()
    assert page.get_by_role("img", name="The picture with 3 objects: 2 cat, 1 dog").count() == 1
    cats, bare = colours(page, 0.6, 0.4), colours(page, 0.6, 0.8)
    assert cats[0] == cats[1] != bare[0] == bare[1] == [255, 255, 255, 255]
    page.keyboard.press("Tab")
    assert page.get_by_label("Least score").evaluate("e => e === document.activeElement")
    with page.expect_response(lambda response: "score_threshold=0.55" in response.url):
        page.keyboard.press("ArrowRight")


def test_a_drop(opened, photo):
    page = opened(1280)
    page.evaluate(
        """async (bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(picture(photo)["buffer"]),
    )
    assert len(results(page)[0]) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths(opened, photo, scheme):
    for width, beside in ((1280, True), (390, False), (320, False)):
        page = opened(width, color_scheme=scheme)
        page.set_input_files("#file", picture(photo))
        results(page)
        first, second = (article.bounding_box() for article in page.locator("article").all())
        assert (first["y"] == second["y"]) == beside and (first["x"] == second["x"]) != beside
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_faults_are_sentences(opened, photo):
    page = opened(1280)
    page.set_input_files("#file", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    page.locator("article:not([aria-busy]) .status.error").nth(1).wait_for()
    assert "notes.txt: the picture cannot be read" in page.locator(".status.error").nth(0).inner_text()
    page.set_input_files("#file", {"name": "big.png", "mimeType": "image/png", "buffer": bytes(2**21)})
    assert page.get_by_role("alert").inner_text() == "big.png has 2.10 MB; this server takes 1.05 MB."
    assert not [url for url in page.asked[-1:] if "big" in url]
    page.set_input_files("#file", picture(photo))
    assert len(results(page)[0]) == 2 and not page.locator(".status.error").count()
    page.context.set_offline(True)
    page.get_by_label("Least score").press("ArrowRight")
    page.get_by_text("The server cannot be reached").nth(1).wait_for()


def test_what_the_browser_cannot_show_is_outlined(opened, photo):
    page = opened(1280)
    tiff = {"name": "a.tif", "mimeType": "image/tiff", "buffer": photo("TIFF", size=(400, 300))}
    page.set_input_files("#file", tiff)
    assert len(results(page)[0]) == 2
    assert "only outlines are drawn" in page.get_by_role("alert").inner_text()
