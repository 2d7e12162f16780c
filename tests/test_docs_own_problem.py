"""docs/own_problem.md: a reader who does what it says, in an empty folder, gets a sweep."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "own_problem.md"
LINES = 60
# What makes it small enough for a test.
SMALL = "--training.steps 40 --training.warmup-steps 5 --finetune.steps 5 --grid.ratio 0.5 --seeds 0 --threads 1"


def block(language):
    text, *_ = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the page's sweep, made small, has been run, and what the command printed."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_problem.py").write_text(block("python"), encoding="utf-8")
    (folder / "my_recipe.yaml").write_text(block("yaml"), encoding="utf-8")
    return folder, taskprune(folder, "sweep", "my_recipe.yaml", *SMALL.split())


def taskprune(folder, *words):
    """What the command prints."""
    code = "import sys; from experiments.commands import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(PAGE.parents[1]), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_code_is_as_short_as_readme_says():
    assert len(block("python").splitlines()) <= LINES


def test_the_page_runs_these_commands():
    commands = [line.partition("#")[0].split() for line in block("sh").splitlines()]
    assert [words[:3] for words in commands] == [
        ["taskprune", "sweep", "my_recipe.yaml"],
        ["taskprune", "sweep", "my_recipe.yaml"],
        ["taskprune", "compare", "results/mine"],
        ["taskprune", "report", "results/mine"],
    ]


def test_the_sweep_has_every_stage_of_every_run(place):
    import experiments

    sweep = experiments.read(place[0] / "results" / "mine")
    assert [task.column for task in sweep.tasks] == ["shape_accuracy", "period_mae"]
    stages = sweep.table["stage"].value_counts().to_dict()
    assert stages == {"floor": 1, "dense": 1, "dense_control": 1, "pruned": 3, "finetuned": 3, "removed": 3}
    assert set(sweep.table["criterion"].dropna()) == {"taylor", "l1", "random"}
    assert sweep.table[["shape_accuracy", "period_mae"]].notna().all().all()
    removed = sweep.table[sweep.table["stage"] == "removed"]
    assert (abs(removed["achieved"] - 0.5) < 0.05).all()


def test_there_is_a_report(place):
    folder, printed = place
    page = folder / re.search(r"report: (\S+)", printed)[1]
    assert page == folder / "results/mine/report.html" and "wave shapes" in page.read_text(encoding="utf-8")
    assert (page.parent / "tradeoff.png").is_file()


def test_compare_speaks_of_both_tasks(place):
    printed = taskprune(place[0], "compare", "results/mine", "taylor", "random")
    assert "wave shapes: " in printed and "periods: " in printed and "keeps" not in printed


def test_a_second_start_does_nothing_anew(place, monkeypatch):
    from experiments import open_problem
    from experiments.runs.sweep import sweep

    monkeypatch.chdir(place[0])
    before = {path: path.stat().st_mtime_ns for path in Path("results/mine/runs").glob("*/*.json")}
    assert before
    outcome = sweep(open_problem("results/mine/recipe.yaml"))
    assert outcome.runs == 5 and not outcome.failures
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_python_of_reading_runs(place, monkeypatch, capsys):
    code = block("py").replace('experiments.run("my_recipe.yaml")', '"results/mine"').replace("sweep.report()", "")
    monkeypatch.chdir(place[0])
    exec(compile(code, PAGE.name, "exec"), {})
    assert "taylor minus random" in capsys.readouterr().out
    assert Path("tradeoff.png").is_file()


def test_every_setting_that_the_page_names_exists():
    from experiments.settings.recipe import Recipe

    text = PAGE.read_text(encoding="utf-8").split("## What the recipe says")[1].split("\n## ")[0]
    for line in re.findall(r"^- `(\w+)`: (.*?)(?=^- |\Z)", text, flags=re.DOTALL | re.MULTILINE):
        assert line[0] in Recipe.model_fields, line[0]
    known = {name for field in Recipe.model_fields.values() for name in getattr(field.annotation, "model_fields", {})}
    schema = str(Recipe.model_json_schema())
    for name in re.findall(r"`([a-z0-9_]+)`", text):
        assert name in known or name in Recipe.model_fields or f"'{name}'" in schema or name in ("all", "tune"), name


def test_everything_optional_that_the_page_names_exists():
    from experiments import Problem

    text = PAGE.read_text(encoding="utf-8").split("## What else there is")[1]
    named = re.findall(r"^- `(\w+)", text, flags=re.MULTILINE) + ["figures", "breakdowns", "columns", "loss_titles"]
    assert len(named) > 6
    for name in [*named, "data_keys", "uncompiled", "load", "examples"]:
        assert hasattr(Problem, name), name
