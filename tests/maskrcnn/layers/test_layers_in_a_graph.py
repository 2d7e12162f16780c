"""The layers in a Functional model of one's own: shapes, saving, samples, errors, and docstrings that run."""

import re
import textwrap

import keras
import numpy as np
import pytest

from maskrcnn import layers

CONFIGURED = [
    layers.RegionProposal((8, 16), strides=8, width=4, ratios=(1, 2), name="other"),
    layers.RegionProposal(((8, 12), (16, 24)), strides=(4, 8)),
    layers.AnchorGrid((8, 16), strides=8, rounding=True),
    layers.Proposals(7, 20, 0.6, 0.5, return_scores=True),
    layers.ROIAlign(5, strides=(8, 16), canonical_size=64, sampling_ratio=1, aligned=False),
    layers.BoxHead(2, (5, 6), name="head"),
    layers.MaskHead(2, (5,), 6),
    layers.DetectionLayer(5, 0.1, 0.4, (1, 1, 1, 1)),
    layers.AnchorTargets(8, 0.25, 0.6, 0.2, seed=4),
    layers.ProposalTargets(8, 0.5, 0.6, (1, 1, 1, 1), seed=4),
    layers.RegionProposalLoss(0.5, 2.0),
    layers.RegionLoss(0.5, 2.0),
    layers.MaskTargets(14, 3),
    layers.MaskLoss(2.0),
]


def detector():
    """Two maps, all layers but those of masks."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3), name="image")
    boxes, labels = keras.Input((None, 4), name="boxes"), keras.Input((None,), name="labels", dtype="int32")
    fine = keras.layers.Conv2D(8, 8, strides=8, padding="same", activation="relu", name="fine")(image)
    maps = [fine, keras.layers.Conv2D(8, 3, strides=2, padding="same", name="coarse")(fine)]
    rpn = layers.RegionProposal((12, 24), strides=(8, 16), width=8)(maps)
    proposals = layers.Proposals(12)([rpn, image])
    align, head = layers.ROIAlign(3, strides=(8, 16), canonical_size=24), layers.BoxHead(2, widths=(8,))
    found = layers.DetectionLayer(6)([head(align([maps, proposals])), proposals, image])
    targets = layers.ProposalTargets(8)([proposals, boxes, labels])
    losses = layers.RegionLoss()([head(align([maps, targets["rois"]])), targets])
    losses["proposal"] = layers.RegionProposalLoss()([rpn, layers.AnchorTargets(16)([rpn, boxes, labels])])
    return keras.Model([image, boxes, labels], found | losses)


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    boxes = np.float32([[[2, 2, 20, 26], [24, 20, 44, 40]], [[8, 8, 30, 30], [0, 0, 0, 0]]])
    return [random.random((2, 40, 48, 3), np.float32), boxes, np.int32([[1, 2], [2, 0]])]


@pytest.mark.parametrize("layer", CONFIGURED, ids=lambda layer: type(layer).__name__)
def test_the_config_makes_the_same_layer(layer):
    text = keras.saving.serialize_keras_object(layer)
    assert text["registered_name"] == f"maskrcnn>{type(layer).__name__}"
    again = keras.saving.deserialize_keras_object(text)
    assert again.get_config() == layer.get_config() and type(again) is type(layer)
    assert isinstance(layer, keras.layers.Layer)


def test_symbolic_shapes_are_those_of_the_numbers(batch):
    model = detector()
    symbols = model([keras.Input((40, 48, 3)), keras.Input((2, 4)), keras.Input((2,), dtype="int32")])
    for name, value in model(batch).items():
        assert tuple(value.shape)[1:] == tuple(symbols[name].shape)[1:], name
        assert keras.backend.standardize_dtype(value.dtype) == symbols[name].dtype, name


def test_a_saved_model_answers_the_same(batch, tmp_path):
    model = detector()
    model.compile("sgd")
    history = model.fit(dict(zip(("image", "boxes", "labels"), batch, strict=True)), epochs=2, verbose=0).history
    assert {"rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "loss"} == set(history)
    parts = sum(np.array(values) for name, values in history.items() if name != "loss")
    np.testing.assert_allclose(history["loss"], parts, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    expected, found = model(batch), again(batch)
    assert sorted(found) == sorted(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    # Samples go on where the saved model's would.
    np.testing.assert_array_equal(again(batch, training=True)["class"], model(batch, training=True)["class"])


def test_samples_change_in_training_alone(batch):
    rpn = layers.RegionProposal((12, 24), strides=8, width=4)(np.ones((2, 5, 6, 3), "float32"))
    targets = layers.AnchorTargets(8)
    drawn = [np.asarray(targets([rpn, *batch[1:]], training=training)["indices"]) for training in (0, 0, 1, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[1] != drawn[2]).any() and (drawn[2] != drawn[3]).any()


def test_heads_are_plain_layers_that_all_calls_share():
    model = detector()
    names = {layer.name for layer in model.layers}
    assert {"rpn", "rpn_anchors", "box_head"} <= names
    assert [layer.name for layer in model.get_layer("rpn").layers][1:] == ["rpn_conv", "rpn_class", "rpn_bbox"]
    assert not any(isinstance(layer, layers.plain_layers.PlainLayers) for layer in model.layers)


class Subclassed(keras.Model):
    """Calls the layers on numbers, where they are layers with weights of their own."""

    def __init__(self):
        super().__init__()
        self.rpn, self.align = layers.RegionProposal((12, 24), strides=8, width=4), layers.ROIAlign(3, strides=8)
        self.proposals, self.head = layers.Proposals(5), layers.BoxHead(2, widths=(4,))

    def call(self, features):
        return self.head(self.align([features, self.proposals(self.rpn(features))]))


def test_a_model_that_is_no_graph_keeps_their_weights(tmp_path):
    features, models = np.random.default_rng(0).random((2, 5, 6, 3), np.float32), [Subclassed(), Subclassed()]
    answers = [model(features)["deltas"] for model in models]
    assert len(models[0].trainable_weights) == 12 and np.abs(answers[0] - answers[1]).max() > 0
    models[0].save_weights(tmp_path / "own.weights.h5")
    models[1].load_weights(tmp_path / "own.weights.h5")
    np.testing.assert_array_equal(models[1](features)["deltas"], answers[0])


def test_half_precision_reaches_no_box(batch):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = detector()(batch)
        assert found["boxes"].dtype == "float32" and np.isfinite(found["class"])
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RegionProposal((8, 16), strides=(8, 16, 32)), "a size, or a tuple of sizes, for each stride"),
        (lambda: layers.RegionProposal(((8, 9), 16), strides=(8, 16)), "each has equally many sizes"),
        (lambda: layers.RegionProposal((8,), strides=(8,))(keras.Input((4, 4, None))), "are not known"),
        (lambda: layers.RegionProposal((8,))([keras.Input((4, 4, 2))] * 2), "called on 2 maps; strides=16 has 1"),
        (
            lambda: layers.RegionProposal((8, 16), (8, 16))([keras.Input((4, 4, 2)), keras.Input((2, 2, 3))]),
            r"maps of \[2, 3\] channels",
        ),
        (lambda: layers.Proposals(0), "count=0"),
        (lambda: layers.Proposals(min_side=0), "min_side=0"),
        (lambda: layers.ROIAlign(7, strides=(8, 32)), "twice the one before"),
        (lambda: layers.ROIAlign(7)([keras.Input((4, 4, 2))] * 2 + [keras.Input((9, 4))]), "called on 2 maps"),
        (lambda: layers.BoxHead(0), "classes=0"),
        (lambda: layers.BoxHead(2)(keras.Input((None, None, 4))), r"reads regions \(R, size, size, C\)"),
    ],
)
def test_what_cannot_be_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", [name for name in layers.__all__ if name not in ("AnchorGrid", "OwnDetector")])
def test_docstrings_run(name):
    [code] = re.findall(r"```python\n(.*?)```", getattr(layers, name).__doc__, flags=re.DOTALL)
    names = {each: getattr(layers, each) for each in layers.__all__}
    exec(compile(textwrap.dedent(code), name, "exec"), names | {"keras": keras, "np": np})


def test_the_sketch_runs():
    [code] = re.findall(r"```python\n(.*?)```", layers.__doc__, flags=re.DOTALL)
    names = {each: getattr(layers, each) for each in layers.__all__} | {"keras": keras}
    exec(compile(code, "layers", "exec"), names)
    assert names["answers"]["logits"].shape == (None, 4)
