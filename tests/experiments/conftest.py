"""Made-up sweeps for tests of tables, plots and reports; a recipe so small that a whole sweep takes seconds."""

import importlib.util
from pathlib import Path

import pytest

from experiments.lookup import problem_class, recipe_type


def _module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made():
    """made.py: the maker of made-up sweeps of four tasks, `made.make(folder, ...)`."""
    return _module("made")


@pytest.fixture(scope="session")
def made_three():
    """made_three.py: the maker of made-up sweeps of another problem, `made_three.make(folder, ...)`."""
    return _module("made_three")


@pytest.fixture(scope="session")
def made_sweep(made, tmp_path_factory):
    """A made-up sweep's folder with all files: 4 seeds, three criteria, three ratios, parts alone, from scratch."""
    return made.make(tmp_path_factory.mktemp("made") / "shapes", seeds=4, ratios=(0.25, 0.5, 0.75))


@pytest.fixture(scope="session")
def other_sweep(made_three, tmp_path_factory):
    """A made-up sweep's folder of another problem: three tasks, one better when lower, 5 seeds, with all files."""
    return made_three.make(tmp_path_factory.mktemp("made") / "three", files=True)


TINY = {
    "name": "tiny",
    "data": {"size": 64, "train_count": 32, "test_count": 6},
    "model": {
        "backbone": "resnet10",
        "backbone_alpha": 0.25,
        "train_batch_norm": True,
        "min_size": 64,
        "max_size": 64,
        "fpn_width": 16,
        "rpn_width": 16,
        "box_head_widths": [32, 32],
        "mask_head_widths": [16],
        "mask_deconv_width": 16,
        "anchor_sizes": [8, 16, 32, 64, 128],
        "roi_canonical_size": 32,
        "rpn_samples": 32,
        "roi_samples": 16,
        "pre_nms_train": 50,
        "post_nms_train": 40,
        "pre_nms_test": 50,
        "post_nms_test": 30,
    },
    "training": {"steps": 6, "batch_size": 4, "checkpoint_every": 3},
    "grid": {"criterion": ["l1", "random"], "ratio": [0.5]},
    "pruning": {"recalibration_pictures": 4, "criterion_pictures": 4},
    "finetune": {"steps": 4},
    "evaluation": {"latency_rounds": 2},
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Settings -> a recipe whose results lie in a folder of their own."""

    def make(results=None, **changes):
        content = {**TINY, "results": str(results or tmp_path_factory.mktemp("results"))}
        for key, value in changes.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        return recipe_type(problem_class("maskrcnn")).model_validate(content)

    return make
