"""docs/serve.md: its Python runs against a server, and its tables are those of the code."""

import json
import re
from pathlib import Path

from experiments.problems.maskrcnn.detector_commands.maskrcnn_serve import Serve
from maskrcnn.serving import Limits, answer_schema
from maskrcnn.serving.application import _FAULTS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


def test_the_python_runs(written, app_of, live, photo, tmp_path, monkeypatch):
    [code] = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(photo("JPEG", size=(40, 20)))
    monkeypatch.chdir(tmp_path)
    lines: list[tuple] = []
    with live(app_of(written)) as url:
        code = code.replace("http://127.0.0.1:8000", url)
        exec(compile(code, "serve.md", "exec"), {"print": lambda *words: lines.append(words)})
    assert lines[0] == ("cat", 0.9, [0.0, 0.0, 40.0, 10.0], 400, "pixels") and len(lines) == 3


def test_fields_statuses_and_limits_are_those_of_the_code():
    for field in answer_schema.Found.model_fields:
        assert f"`{field}`" in TEXT, field
    for status in _FAULTS:
        assert re.search(rf"^\| [^|]*\b{status}\b[^|]* \|", TEXT, flags=re.MULTILINE), status
    settings, limits = Serve(model=()), Limits()
    assert f"`--places` ({settings.places})" in TEXT and f"`--max-megabytes` ({settings.max_megabytes})" in TEXT
    assert f"`--max-megapixels` ({settings.max_megapixels})" in TEXT and f"{limits.upload_seconds:g} s" in TEXT
    assert (limits.places, limits.body_bytes / 2**20, limits.pixels / 1e6) == (
        settings.places, settings.max_megabytes, settings.max_megapixels,
    )  # fmt: skip


def test_the_load_test_is_the_one_in_results():
    totals = json.loads((ROOT / "results" / "serve" / "load_test.json").read_text())
    memory = totals["resident_mb"]
    assert totals["failures"] == 0 and totals["clients"] == 8 and totals["seconds"] >= 60
    assert f"{totals['answered']} pictures answered, {totals['broken_refused']} broken ones refused, 0 failures" in TEXT
    assert f"{memory['first']} MB when the models are warm" in TEXT and f"{memory['last']} MB at\nthe end" in TEXT
    assert memory["most"] < 1.1 * memory["after_a_quarter"]
