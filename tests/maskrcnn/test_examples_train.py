"""The examples that a user meets first train, as they are written but on few small pictures."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import maskrcnn

SMALL = dict(min_size=64, max_size=64, roi_samples=64, pre_nms_train=200, post_nms_train=100)
README = Path(__file__).parents[2] / "README.md"


def block(text):
    """The lines of the first Python block down to its first training."""
    code = re.search(r"```python\n(.*?model\.fit\([^\n]*\n)", text, flags=re.DOTALL)[1]
    lines = code.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines)


def trained(code, **replacements):
    """Losses of the epochs of an example, with parts of its text replaced, each of which has to be there."""
    for old, new in replacements.values():
        assert old in code, f"the example has changed: no {old}"
        code = code.replace(old, new)
    found = {"maskrcnn": maskrcnn, "keras": keras, "MaskRCNN": maskrcnn.MaskRCNN, "SMALL": SMALL,
             "MaskRCNNConfig": maskrcnn.MaskRCNNConfig, "few": maskrcnn.data.shapes(8, 64, seed=1)}  # fmt: skip
    keras.utils.set_random_seed(0)
    exec(compile(code.replace("model.fit(", "history = model.fit("), "example", "exec"), found)
    return found["history"].history["loss"]


def assert_it_trains(losses):
    assert np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0], losses


@pytest.mark.slow
def test_the_docstrings_example():
    assert_it_trains(trained(
        block(maskrcnn.MaskRCNN.__doc__),
        config=('class_names=("balloon",), backbone="mobilenet"', 'few.class_names, backbone="mobilenet", **SMALL'),
        data=('maskrcnn.data.load_via("balloon/train")', "few"),
        epochs=("epochs=10", "epochs=4, verbose=0"),
    ))  # fmt: skip


@pytest.mark.slow
def test_the_readmes_example():
    assert_it_trains(trained(
        block(README.read_text(encoding="utf-8")),
        data=("shapes(2000, 128", "shapes(16, 128"),
        epochs=("batch_size=8, epochs=3", "batch_size=4, epochs=3, verbose=0"),
    ))  # fmt: skip


@pytest.mark.slow
def test_the_default_config():
    code = "model = MaskRCNN(MaskRCNNConfig(few.class_names, **SMALL))\n"
    code += "model.compile(keras.optimizers.SGD(0.005, momentum=0.9))\n"
    code += "model.fit(few, batch_size=2, epochs=3, verbose=0)"
    assert_it_trains(trained(code))


@pytest.mark.parametrize(("backbone", "scale"), [("resnet50", 0.2), ("resnet18", 1.0)])
def test_branches_begin_small_where_the_stream_is_long(tiny, backbone, scale):
    features = tiny(backbone=backbone, backbone_alpha=0.0625).network.get_layer("features")
    last = [features.get_layer(f"res5_2_{3 if backbone == 'resnet50' else 2}_norm"), features.get_layer("stem_norm")]
    np.testing.assert_allclose(last[0].gamma.numpy(), scale)
    np.testing.assert_allclose(last[1].gamma.numpy(), 1)
