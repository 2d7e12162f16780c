"""The command `taskprune`: its help, its errors, and what a wheel brings."""

import subprocess
import sys
import zipfile

import pytest

from experiments.commands import COMMANDS, main, usage
from experiments.settings.recipe_files import shipped_recipes

HEAVY = ("tensorflow", "keras")


def ran(arguments, cwd=None, check_imports=True):
    """Exit status, output and errors of a command in a process of its own, in which TensorFlow must not be imported."""
    code = (
        "import sys\nfrom experiments.commands import main\n"
        "try:\n    main()\nfinally:\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        f"    assert not ({check_imports} and loaded), loaded\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("word", sorted(COMMANDS))
def test_help_needs_no_tensorflow(word):
    status, shown, errors = ran([word, "--help"])
    assert (status, errors) == (0, "") and f"taskprune {word}" in shown


def test_the_words_are_listed():
    assert all(f"  {word} " in usage() for word in COMMANDS)
    status, _, errors = ran(["sweeep"])
    assert (status, errors) == (2, "error: taskprune sweeep: no such command; did you mean sweep?\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "digitz"], "error: digitz: no such recipe. Did you mean digits?"),
        (["sweep", "shapes", "--training.steps", "0"], "training.steps = 0: Input should be greater than or equal"),
        (["train", "own_data"], "data.train is still the placeholder"),
        (["table", "nowhere"], "error: nowhere holds no sweep"),
        (["report", "nowhere"], "error: nowhere/runs.csv cannot be read"),
        (["detect", "nowhere.keras"], "error: no picture is named"),
        (["serve"], "error: no model is named"),
        (["serve", "--model", "a=nowhere.keras"], "error: nowhere.keras: no such model"),
        (["inspect", "nowhere.keras"], "error: expected a model and a picture, found 1 of them"),
    ],
)
def test_a_mistake_is_one_message_and_needs_no_tensorflow(arguments, message, tmp_path):
    status, _, errors = ran(arguments, tmp_path)
    assert status == 2 and message in errors and "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_before_the_data_are_checked(tmp_path):
    arguments = ["sweep", "balloon", "--data.train", "nowhere", "--data.test", "nowhere", "--name", "mine"]
    status, _, errors = ran(arguments, tmp_path, check_imports=False)
    assert status == 2 and "data 'nowhere' does not exist" in errors
    assert not list(tmp_path.iterdir())


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments=["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out.startswith("taskprune ")


def test_a_wheel_brings_recipes_template_and_command(pytestconfig, tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    copy = tmp_path / "source"
    kept = subprocess.run(
        ["git", "ls-files", "-z", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "experiments", "maskrcnn",
         "pruning", "schedules"],
        cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, kept.split("\0")):
        source = pytestconfig.rootpath / name
        if source.exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(source.read_bytes())
    subprocess.run([*command, str(tmp_path / "dist"), str(copy)], check=True, timeout=300)
    [wheel] = (tmp_path / "dist").glob("taskprune-*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "taskprune = experiments.commands:main" in content.read(entry).decode()
    assert {f"experiments/recipes/{path.name}" for path in shipped_recipes()} <= set(names)
    assert {"experiments/report/report.html.j2", "maskrcnn/serving/page.html"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "results/"))]
