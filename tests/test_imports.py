"""Imports run one way: scripts -> {maskrcnn, pruning} -> schedules."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"maskrcnn", "pruning", "schedules", "scripts"}
ALLOWED = {"maskrcnn": {"schedules"}, "pruning": {"schedules"}, "schedules": set()}
# `schedules` is plain Python; interop imports tensorflow-model-optimization when it is asked for.
PLAIN = {"tensorflow", "keras", "numpy"}


def imported(path):
    """(top-level package, whether it happens on import of the module) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], id(node) not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0], id(node) not in lazy


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_import_only_what_is_below_them(package):
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        names = {name for name, _ in imported(path)}
        wrong = (names & OURS) - ALLOWED[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"
        assert not names & (scripts - {"schedules"}), f"{path.relative_to(ROOT)} imports a script"


def test_schedules_are_plain_python():
    for path in (ROOT / "schedules").rglob("*.py"):
        eager = {name for name, at_import in imported(path) if at_import}
        assert not eager & PLAIN, f"{path.relative_to(ROOT)} imports {eager & PLAIN}"


def test_the_reader_sees_imports(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("import maskrcnn.data\ndef f():\n    from pruning.graph import g\n")
    assert sorted(imported(path)) == [("maskrcnn", True), ("pruning", False)]
