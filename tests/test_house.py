"""The house: imports run one way, rooms are small, names are met once, and what is listed is used."""

import ast
import configparser
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schedules", "pruning", "maskrcnn", "experiments")
OURS = {*PACKAGES, "scripts"}
ALLOWED = {
    "schedules": set(),
    "pruning": {"schedules"},
    "maskrcnn": {"schedules"},
    "experiments": {"maskrcnn", "pruning", "schedules"},
}
# `schedules` is plain Python; interop imports tensorflow-model-optimization when it is asked for.
PLAIN = {"tensorflow", "keras", "numpy"}
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "ai_edge_litert": "ai-edge-litert",
    "annotated_types": "annotated-types",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
}


def files(*folders):
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def imported(path):
    """(module, whether it happens on import of the module) of every import in a file; those for types alone do not."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and getattr(test.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    } | for_types
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module, id(node) not in lazy


def tops(path):
    return {name.partition(".")[0] for name, _ in imported(path)}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_is_below_them(package):
    for path in files(package):
        wrong = (tops(path) & OURS) - ALLOWED[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_problems_know_a_network():
    for path in files("experiments"):
        room = path.relative_to(ROOT / "experiments").parts[0]
        if room != "problems":
            assert "maskrcnn" not in tops(path), f"{path.relative_to(ROOT)} imports maskrcnn"


def test_what_is_read_after_a_sweep_needs_no_network():
    for path in files("experiments/table", "experiments/plots", "experiments/report", "experiments/settings"):
        eager = {name.partition(".")[0] for name, at_import in imported(path) if at_import}
        assert not eager & {"tensorflow", "keras", "pruning", "maskrcnn"}, path.relative_to(ROOT)


def test_schedules_are_plain_python():
    for path in files("schedules"):
        eager = {name.partition(".")[0] for name, at_import in imported(path) if at_import}
        assert not eager & PLAIN, f"{path.relative_to(ROOT)} imports {eager & PLAIN}"


def test_no_two_modules_of_experiments_import_each_other():
    edges = defaultdict(set)
    for path in files("experiments"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        edges[name] = {target for target, at_import in imported(path) if at_import and target.startswith("experiments")}
    for name, targets in edges.items():
        for target in targets:
            assert name not in edges.get(target, ()), f"{name} and {target} import each other"


def test_the_reader_sees_imports(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "import maskrcnn.data\nif TYPE_CHECKING:\n    import keras\ndef f():\n    from pruning.graph import g\n"
    )
    assert sorted(imported(path)) == [("keras", False), ("maskrcnn.data", True), ("pruning.graph", False)]


def test_no_two_files_share_a_name():
    """But __init__.py, and a page of scripts/ with the command that it starts."""
    names = Counter(path.name for path in files(*PACKAGES) if path.name != "__init__.py")
    assert not {name: count for name, count in names.items() if count > 1}


def test_files_and_folders_are_small():
    for path in files(*PACKAGES, "scripts"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path.relative_to(ROOT)
    rooms = Counter(path.parent for path in files("experiments", "scripts"))
    assert not {str(room): count for room, count in rooms.items() if count > 14}
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files("scripts"))
    assert lines < 1000


def test_dependencies_are_those_that_code_imports():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = {re.split(r"[<>=;\[ ]", line)[0] for line in config["options"]["install_requires"].split()}
    extras = {
        name: {re.split(r"[<>=;\[ ]", line)[0] for line in text.split()}
        for name, text in config["options.extras_require"].items()
        if name != "dev"
    }
    used = {DISTRIBUTIONS.get(top, top) for path in files(*PACKAGES) for top in tops(path)}
    texts = "\n".join(path.read_text(encoding="utf-8") for path in files(*PACKAGES))
    for name in listed:
        assert name in used or f'"{name}"' in texts, f"{name} is listed, and nothing imports it"
    known = listed.union(*extras.values(), OURS)
    standard = set(__import__("sys").stdlib_module_names) | {"pytest"}
    assert not used - known - standard - {"torch", "safetensors"}  # readers of files that their users have
