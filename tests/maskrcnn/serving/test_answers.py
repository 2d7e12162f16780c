"""What /detect and its companions answer to what they should be asked."""

import io
import re

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw
from pycocotools import mask as rle

from maskrcnn.detection.drawing import COLOURS
from maskrcnn.serving import ServedModel, answer_schema, create_app


def decoded(answer):
    return np.array([rle.decode(mask) for mask in answer["masks"]], bool)


def test_json_is_what_the_model_detects(post, models, photo):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    for served in models:
        response = post(photo(pixels=pixels), model=served.name, score_threshold=0)
        answer, found = response.json(), served.model.detect(pixels, 0.0)
        assert response.headers["content-type"] == "application/json" and answer["model"] == served.name
        assert len(found) == len(answer["scores"]) > 5 and (answer["height"], answer["width"]) == (32, 48)
        np.testing.assert_allclose(answer["boxes"], found.boxes, atol=0.006)
        np.testing.assert_allclose(answer["scores"], found.scores, atol=1e-3)
        assert answer["labels"] == found.labels.tolist() and answer["names"] == found.names
        np.testing.assert_array_equal(decoded(answer), found.masks)
        answer_schema.Found.model_validate_json(response.content)


def test_the_first_model_answers_where_none_is_named(post):
    assert post().json()["model"] == "dense"


def test_thresholds_and_limits_keep_the_best(post):
    scores = post(score_threshold=0).json()["scores"]
    assert scores == sorted(scores, reverse=True)
    assert post(score_threshold=0, max_detections=3).json()["scores"] == scores[:3]
    middle = (scores[4] + scores[5]) / 2
    assert post(score_threshold=middle).json()["scores"] == scores[:5]


def test_shares_count_a_pixel_once_for_a_class(written, app_of, photo):
    with TestClient(app_of(written), base_url="http://localhost") as client:
        answer = client.post("/detect", files={"image": photo(size=(40, 80))}).json()
    assert answer["names"] == ["cat", "cat", "dog"]
    assert answer["shares"] == {"cat": 0.5, "dog": 0.25}
    assert answer["timing_ms"]["total"] >= answer["timing_ms"]["detect"] >= 0


def test_a_png_has_the_detections_drawn(client, written, app_of, photo):
    files = {"image": photo(pixels=np.full((480, 480, 3), 255, np.uint8))}
    with TestClient(app_of(written), base_url="http://localhost") as own:
        response = own.post("/detect", files=files, headers={"Accept": "image/png"})
    drawn = Image.open(io.BytesIO(response.content))
    assert (response.headers["content-type"], drawn.format, drawn.size) == ("image/png", "PNG", (480, 480))
    cat, dog, bare = (drawn.getpixel(at) for at in ((300, 200), (60, 400), (300, 400)))
    assert bare == (255, 255, 255) and cat != bare != dog
    assert cat[2] > cat[0] and dog[0] > dog[2], f"tinted with {COLOURS[:2]}"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/png", "image/png"),
        ("image/png, application/json", "image/png"),
        ("application/json, image/png", "application/json"),
        ("text/html,image/avif,*/*;q=0.8", "application/json"),
        ("text/csv", None),
    ],
)
def test_the_first_accepted_type_is_sent(post, accept, kind):
    response = post(headers={"Accept": accept})
    if kind is None:
        assert response.status_code == 406 and "application/json or image/png" in response.json()["detail"]
    else:
        assert (response.status_code, response.headers["content-type"]) == (200, kind)


def test_models_are_described(client, models):
    answer = answer_schema.Served.model_validate(client.get("/models").json())
    dense, pruned = answer.models
    assert (dense.name, dense.macs, dense.file_bytes, pruned.macs) == ("dense", 2_000_000, 1000, None)
    assert dense.parameters == models[0].model.network.count_params() > pruned.parameters
    assert dense.class_names == ["square", "circle", "triangle"] and dense.colours == list(COLOURS[:3])


def test_health_and_metrics(client, post):
    post()
    post(b"no picture")
    assert client.get("/healthz").json() == {"status": "ok", "models": ["dense", "pruned"], "waiting": 0, "places": 16}
    response = client.get("/metrics")
    lines = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
    assert float(lines['maskrcnn_requests_total{model="dense",status="200"}']) >= 1
    assert float(lines['maskrcnn_requests_total{model="dense",status="422"}']) >= 1
    assert float(lines['maskrcnn_stage_seconds_count{model="dense",stage="detect"}']) >= 1
    assert response.headers["content-type"].startswith("text/plain; version=")


def test_the_interface_describes_itself_without_another_server(client):
    described = client.get("/openapi.json").json()
    assert {"/detect", "/models", "/healthz", "/metrics"} == set(described["paths"])
    ask = described["paths"]["/detect"]["post"]
    assert "image" in ask["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"200", "413", "422", "503"} <= set(ask["responses"]) and "image/png" in ask["responses"]["200"]["content"]
    page = client.get("/docs").text
    assert "https://" not in page and client.get("/docs/assets/swagger-ui-bundle.js").status_code == 200


def test_the_page_loads_nothing_from_elsewhere(client):
    response = client.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"https?://|//[a-z]+\\.", response.text)
    assert "innerHTML" not in response.text and "<label" in response.text


def test_a_warm_model_has_detected_before_the_first_request(written, app_of):
    with TestClient(app_of(written)):
        assert written.calls == 1


def test_names_that_are_no_names_of_html_come_back_as_text(written, photo):
    name = "<img src=x onerror=alert(1)>"
    app = create_app([ServedModel(name, written)])
    with TestClient(app, base_url="http://localhost") as client:
        response = client.post("/detect", params={"model": name}, files={"image": (name, photo())})
        assert response.json()["model"] == name and response.headers["content-type"] == "application/json"
        assert f'model="{name}"' in client.get("/metrics").text
        fault = client.post("/detect", files={"image": (name, b"x")})
        assert name in fault.json()["detail"] and fault.headers["content-type"] == "application/json"


def test_two_models_of_one_name_are_refused(written):
    for models in ([], [ServedModel("a", written)] * 2):
        with pytest.raises(ValueError, match="different names"):
            create_app(models)


def test_a_model_that_answers_no_numbers_is_the_servers_fault(written, app_of, photo):
    found = written.detect(np.zeros((8, 8, 3), np.uint8))
    found.scores[1] = np.nan  # which JSON does not know
    written.detect = lambda image, threshold=None: found
    with TestClient(app_of(written), base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.post("/detect", files={"image": photo(size=(8, 8))})
        assert response.status_code == 500 and "its log has the error" in response.json()["detail"]
        assert client.get("/healthz").json()["waiting"] == 0


def test_polygons_filled_by_the_even_odd_rule_are_the_mask(post):
    lengths, drawn = (post(score_threshold=0, masks=form) for form in ("rle", "polygons"))
    answer_schema.Found.model_validate_json(drawn.content)
    lengths, outlines = lengths.json(), drawn.json()
    for whole, rings in zip(decoded(lengths), outlines["masks"], strict=True):
        canvas = np.zeros(whole.shape, bool)
        for ring in rings:
            big = Image.new("1", (whole.shape[1] * 4, whole.shape[0] * 4))
            ImageDraw.Draw(big).polygon([(4 * x, 4 * y) for x, y in ring], fill=1)
            canvas ^= np.array(big)[2::4, 2::4]
        np.testing.assert_array_equal(canvas, whole)
    assert "masks" not in post(masks="none").json()
