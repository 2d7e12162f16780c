"""README.md says what is so: its figures come from results/, its Python runs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_figures_are_those_of_results():
    import readme

    text = README.read_text(encoding="utf-8")
    assert readme.BLOCK.search(text)
    assert readme.render(text) == text, "stale: run python scripts/readme.py"


def test_a_changed_figure_is_noticed():
    import readme

    text = README.read_text(encoding="utf-8")
    block = readme.BLOCK.search(text)[0]
    wrong = re.sub(r"0\.(\d)", lambda found: f"0.{(int(found[1]) + 1) % 10}", block, count=1)
    assert wrong != block
    assert readme.render(text.replace(block, wrong)) == readme.render(text)


def test_pictures_are_there():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / path).is_file(), path


@pytest.mark.slow
def test_the_python_runs(tmp_path, monkeypatch, capsys):
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    small = code.replace("shapes(2000", "shapes(16").replace("shapes(100", "shapes(4")
    assert small != code
    monkeypatch.chdir(tmp_path)
    exec(compile(small, "README.md", "exec"), {})
    assert "mask   iou" in capsys.readouterr().out
    assert (tmp_path / "pruned.keras").is_file()


@pytest.mark.parametrize("sweep", ["shapes", "balloon"])
def test_no_run_of_a_sweep_with_a_target_is_kept(sweep):
    """In a fresh clone `make sweep` or `make balloon` would take its finished stages as done."""
    found = subprocess.run(["git", "ls-files", f"results/{sweep}/runs"], cwd=ROOT, capture_output=True, text=True)
    assert not found.stdout
