"""`taskprune serve`: names, addresses, mistakes as one message, and a server that Ctrl-C ends."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from experiments.errors import UserError
from experiments.problems.maskrcnn.detector_commands import maskrcnn_serve
from experiments.problems.maskrcnn.detector_commands.maskrcnn_serve import (
    Serve,
    is_loopback,
    listening,
    named_files,
    serve,
    served_app,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    import maskrcnn

    config = maskrcnn.MaskRCNNConfig(
        ("thing",), backbone="mobilenet", backbone_alpha=0.25, min_size=64, max_size=96, fpn_width=8, rpn_width=8,
        box_head_widths=(8,), mask_head_widths=(8,), mask_deconv_width=8, post_nms_test=8, detections_per_image=3,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("model") / "small.keras"
    maskrcnn.MaskRCNN(config).save(path)
    return path


def test_names_of_models(tmp_path):
    for name in ("a.keras", "b=c.keras"):
        (tmp_path / name).touch()
    a, odd = tmp_path / "a.keras", tmp_path / "b=c.keras"
    assert named_files([f"dense={a}", str(a), f"odd={odd}"]) == {"dense": a, "a": a, "odd": odd}
    for given, message in (
        ([], "no model is named"),
        ([f"={a}"], "expected NAME=FILE"),
        (["x=nowhere.keras"], r"nowhere\.keras: no such model"),
        ([f"x={a}", f"x={odd}"], "two models are called 'x'"),
    ):
        with pytest.raises(UserError, match=message):
            named_files(given)


def test_an_address_that_is_taken_is_said_before_models_are_read(tmp_path):
    (tmp_path / "a.keras").write_text("not read")
    with listening("127.0.0.1", 0) as place:
        place.listen()
        port = place.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1, port {port}, cannot be listened on .* choose another --port"):
            serve(Serve(model=(str(tmp_path / "a.keras"),), port=port))
    with pytest.raises(UserError, match="cannot be listened on"):
        listening("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
                      ("192.168.1.5", False), ("example.org", False)],
)  # fmt: skip
def test_opening_it_is_said(host, own):
    assert is_loopback(host) == own
    said = maskrcnn_serve._greeting(host, 80)
    assert ("this machine alone" in said) == own and ("no password" in said) != own


def test_without_the_extra_it_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.keras").touch()
    for name in [name for name in sys.modules if name.startswith("maskrcnn.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UserError, match=r"no module 'uvicorn'\): pip install 'taskprune\[serve\]'"):
        serve(Serve(model=(str(tmp_path / "a.keras"),), port=0))


def test_a_file_that_is_no_model_is_said(tmp_path):
    (tmp_path / "a.keras").write_text("nothing")
    with pytest.raises(UserError, match="cannot be read as a model"):
        served_app(Serve(model=(str(tmp_path / "a.keras"),)))


def test_a_saved_model_is_served_with_its_costs(saved):
    import maskrcnn
    import pruning

    served = maskrcnn_serve.served_model("small", saved)
    model = maskrcnn.load(saved)
    assert served.file_bytes == saved.stat().st_size and served.macs_for == "96x64 px, 8 proposals and 3 objects"
    assert served.macs == pruning.cost(model, model.input_shapes((64, 96), 8, 3)).macs
    assert served.described()["parameters"] == pruning.cost(model, model.input_shapes((64, 96), 8, 3)).params


def test_other_machines_names_are_taken_only_where_it_is_open(saved):
    from fastapi.testclient import TestClient

    for host, status in (("localhost", 400), ("0.0.0.0", 200)):
        app = served_app(Serve(model=(str(saved),), host=host))
        asked = TestClient(app, base_url="http://somewhere.example").get("/models")
        assert asked.status_code == status


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(saved):
    import httpx2 as httpx

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from experiments.commands import main; main('serve')"
    command = [sys.executable, "-c", code, "--model", f"a={saved}", "--model", f"b={saved}", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            line = next(line for line in running.stdout if line.startswith("http"))
            assert f"http://127.0.0.1:{port} (this machine alone can reach it" in line
            assert [one["name"] for one in httpx.get(f"http://127.0.0.1:{port}/models").json()["models"]] == ["a", "b"]
            running.send_signal(signal.SIGINT)
            shown, errors = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0 and shown.strip().endswith("stopped") and "Traceback" not in errors
