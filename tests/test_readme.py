"""README.md and the pages of docs/ say what is so: their figures come from results/, README's Python runs."""

import re
import subprocess
from pathlib import Path

import pytest

import figures

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = figures.PAGES


@pytest.mark.parametrize("name", PAGES)
def test_figures_are_those_of_results(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert figures.BLOCK.search(text)
    assert text.count("<!-- figures: ") == len(figures.BLOCK.findall(text)), "a marker that no block is made of"
    assert figures.render(text) == text, "stale: run python scripts/figures.py"


@pytest.mark.parametrize("name", PAGES)
def test_a_changed_figure_is_noticed(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    block = figures.BLOCK.search(text)[0]
    marker, _, content = block.partition("\n")
    wrong = f"{marker}\n" + re.sub(r"(\d\.)(\d)", lambda m: f"{m[1]}{(int(m[2]) + 1) % 10}", content, count=1)
    assert wrong != block
    assert figures.render(wrong) == figures.render(block)


def test_claims_are_said_task_by_task_and_over_what_they_are_corrected():
    whole = figures.claims(ROOT / "results/shapes_hard_reference/runs.csv")
    assert len(re.findall("keeps (?:more|less) quality", whole)) == 11 and "12 contrasts" in whole
    assert len(re.findall(r"[+-]\d\.\d{3} \[.*?\]", whole)) == 12 and whole.count("5 seeds") == 12


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_pictures_and_pages_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / path).is_file(), f"{page} points to {path}"
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert anchors.issuperset(re.findall(r"\]\(#([^)]+)\)", text))


def test_recipes_and_commands_of_the_pages_exist():
    from experiments.commands import COMMANDS
    from experiments.settings.recipe_files import shipped_recipes

    recipes = {path.stem for path in shipped_recipes()} | {"my_recipe.yaml"}
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    commands = re.findall(
        r"[`\n]taskprune (\w+) ([\w./]+)", "\n".join(page.read_text(encoding="utf-8") for page in pages)
    )
    assert {"sweep", "train", "compare", "detect"} <= {word for word, _ in commands} <= set(COMMANDS)
    for word, given in commands:
        known = given in recipes or given.startswith("results/")
        assert known or word not in ("sweep", "train", "evaluate"), f"taskprune {word} {given}"


@pytest.mark.slow
def test_the_python_runs(tmp_path, monkeypatch, capsys):
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    small = code.replace("shapes(2000", "shapes(16").replace("shapes(100", "shapes(4")
    assert small != code
    monkeypatch.chdir(tmp_path)
    exec(compile(small, "README.md", "exec"), {})
    assert "mask   iou" in capsys.readouterr().out
    assert (tmp_path / "pruned.keras").is_file()


def test_reading_a_sweep_runs(tmp_path, monkeypatch, capsys):
    [code] = re.findall(r"```py\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(ROOT / "results")
    exec(compile(code, "README.md", "exec"), {})
    assert "taylor keeps more quality than l1" in capsys.readouterr().out
    assert (tmp_path / "tradeoff.png").stat().st_size > 10_000


@pytest.mark.parametrize("sweep", ["shapes", "balloon"])
def test_no_run_of_a_sweep_with_a_target_is_kept(sweep):
    """In a fresh clone `make sweep` or `make balloon` would take its finished stages as done."""
    found = subprocess.run(["git", "ls-files", f"results/{sweep}/runs"], cwd=ROOT, capture_output=True, text=True)
    assert not found.stdout
