"""int8 after training: what LiteRT's kernels compute, in the places that the report says."""

import json

import keras
import numpy as np
import pytest

import pruning
from pruning.compression.fake_quantize import FakeQuantize

L = keras.layers
MULTIPLIES = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def classifier(softmax=True):
    x = image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(x)
    x = L.ReLU(6.0, name="relu")(L.BatchNormalization(name="norm")(x))
    x = L.SeparableConv2D(6, 3, activation="relu", name="sep")(x)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, L.Dense(5, activation="softmax" if softmax else None, name="cls")(x), name="net")


def rows(model):
    return {row.layer: row for row in model.quantization_report.rows}


def test_folding_is_exact_and_takes_the_norms_out(nets):
    for build in (nets.plain, nets.residual, nets.transpose_depthwise, nets.excite):
        model = nets.lively(build())
        folded, x = pruning.fold_batch_norm(model), nets.inputs(model)
        assert not [layer for layer in folded.layers if isinstance(layer, L.BatchNormalization)]
        assert nets.difference(folded(x), model(x)) < 1e-5


def test_a_norm_that_does_not_follow_a_kernel_alone_is_left_in_place(nets):
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, name="conv")(image)
    y = L.BatchNormalization(name="shared_input")(x)
    z = L.BatchNormalization(name="behind_pool")(L.MaxPooling2D()(x))
    head = L.Conv2D(2, 1, activation="relu", name="active")
    active = L.BatchNormalization(name="behind_relu")(head(y))
    model = nets.lively(keras.Model(image, [active, z]))
    folded, x = pruning.fold_batch_norm(model), nets.inputs(model)
    names = {layer.name for layer in folded.layers}
    assert {"shared_input", "behind_pool", "behind_relu"} <= names
    assert nets.difference(folded(x), model(x)) < 1e-6


def test_litert_runs_the_same_numbers_in_int8_kernels(nets, litert):
    for build in (nets.residual, nets.transpose_depthwise, nets.excite):
        model = nets.lively(build())
        x = nets.inputs(model)
        quantized = pruning.quantize(model, [x])
        expected = np.asarray(quantized(x, training=False))
        content = litert.convert(quantized)
        (answer,) = litert.run(content, x).values()
        assert np.abs(answer - expected).max() < 0.02 * np.abs(expected).max(), model.name
        assert nets.difference(expected, model(x, training=False)) < 0.05, model.name
        integer = [found for found in litert.kernels(content) if found[0] in MULTIPLIES and "int8" in found]
        said = [row for row in quantized.quantization_report.quantized if row.stored]
        assert len(integer) == len(said) > 0, model.name


def _two(image):
    return (
        L.Conv2D(4, 3, padding="same", name="a")(image),
        L.Conv2D(4, 3, padding="same", activation="relu", name="b")(image),
    )


BETWEEN = {
    "SUB": lambda a, b: L.Subtract(name="x")([a, b]),
    "MUL": lambda a, b: L.Multiply(name="x")([a, b]),
    "MAXIMUM": lambda a, b: L.Maximum(name="x")([a, b]),
    "LEAKY_RELU": lambda a, b: L.LeakyReLU(0.2, name="x")(a),
    "AVERAGE_POOL_2D": lambda a, b: L.AveragePooling2D(2, padding="same", name="x")(a),
    "RESIZE_BILINEAR": lambda a, b: L.UpSampling2D(2, interpolation="bilinear", name="x")(a),
    "TRANSPOSE": lambda a, b: L.Permute((2, 1, 3), name="x")(b),
}
FLOAT = {
    "more than two": lambda a, b: L.Add(name="x")([a, b, a]),
    "dilated": lambda a, b: L.Conv2D(4, 3, dilation_rate=2, name="x")(a),
    "more than two axes": lambda a, b: L.Dense(4, activation="relu", name="x")(a),
    "sigmoid": lambda a, b: L.Activation("sigmoid", name="x")(a),
}


@pytest.mark.slow
@pytest.mark.parametrize(("word", "between"), [*BETWEEN.items(), *FLOAT.items()])
def test_what_the_report_says_of_a_layer_is_what_the_converter_does(nets, litert, word, between):
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, activation="relu", name="behind")(between(*_two(image)))
    model = nets.lively(keras.Model(image, L.Conv2D(2, 1, name="answer")(x)))
    x = nets.inputs(model)
    quantized = pruning.quantize(model, [x])
    content = litert.convert(quantized)
    (answer,) = litert.run(content, x).values()
    expected = np.asarray(quantized(x, training=False))
    assert np.abs(answer - expected).max() < 0.03 * np.abs(expected).max()
    row, kernels = rows(quantized)["x"], litert.kernels(content)
    assert row.quantized == (word in BETWEEN)
    if word in BETWEEN:
        assert [kernel for kernel in kernels if kernel[0] == word and kernel[1] == "int8"]
    else:
        assert word in row.reason
    said = [one for one in quantized.quantization_report.quantized if one.stored.startswith("int8")]
    assert len([kernel for kernel in kernels if kernel[0] in MULTIPLIES and "int8" in kernel]) == len(said)


def test_kernels_are_integers_times_a_scale_of_each_output_channel(nets):
    model = nets.shake(nets.transpose_depthwise())
    quantized = pruning.quantize(model, [nets.inputs(model)])
    for name, axis in {"conv": (0, 1, 2), "deep": (0, 1), "up": (0, 1, 3), "sep_depthwise": (0, 1)}.items():
        kernel = np.asarray(quantized.get_layer(name).kernel)
        scale = np.abs(kernel).max(axis=axis, keepdims=True) / 127
        codes = kernel / scale
        assert np.array_equal(codes, np.round(codes)), name
        assert len(np.unique(scale)) == scale.size > 1, name


def test_weights_do_not_move_further_than_half_a_step(nets):
    model = nets.shake(nets.flatten_dense())
    quantized = pruning.quantize(model, [nets.inputs(model)], bits=4)
    kernel, rounded = (np.asarray(one.get_layer("fc").kernel) for one in (model, quantized))
    step = np.abs(kernel).max(axis=0) / 7
    assert (np.abs(kernel - rounded) <= 0.501 * step).all()
    assert all(len(np.unique(column)) <= 15 for column in rounded.T)


def test_answers_stay_float_and_softmax_too(nets):
    quantized = pruning.quantize(classifier(), [nets.inputs(classifier())])
    assert rows(quantized)["cls_kernel"].quantized
    assert not rows(quantized)["cls"].quantized and "softmax" in rows(quantized)["cls"].reason
    assert quantized.output_names == ["cls"]
    logits = pruning.quantize(classifier(softmax=False), [nets.inputs(classifier())])
    assert not rows(logits)["cls"].quantized and "answer" in rows(logits)["cls"].reason
    assert rows(logits)["conv"].quantized and "norm" in rows(logits)["conv"].reason


def test_nested_and_shared_layers_and_an_object_around_the_network(nets):
    model = nets.Detector({})
    nets.lively(model.network)
    x = nets.inputs(model)
    quantized = pruning.quantize(model, [x])
    assert type(quantized) is nets.Detector
    found = rows(quantized)
    assert found["features/p2"].quantized and found["rpn/rpn_conv"].quantized and found["box_head/fc1"].quantized
    for name in ("rpn/rpn_class", "rpn/rpn_bbox", "box_head/box_class"):
        assert "answer" in found[name].reason
    assert "not a layer of Keras" in found["roi_align"].reason
    assert nets.difference(quantized(x, training=False), model(x, training=False)) < 0.1
    # The maps enter the RPN as the pyramid rounded them: nothing is rounded twice.
    assert not [layer for layer in quantized.network.get_layer("rpn").layers if "head_map" in layer.name][1:]


def test_a_layer_called_twice_has_a_range_for_each_call(nets):
    image = keras.Input((8, 8, 3), name="image")
    shared = L.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    once = shared(image)
    x = L.GlobalAveragePooling2D(name="pool")(shared(L.Rescaling(20.0, name="louder")(once)))
    model = nets.shake(keras.Model(image, L.Dense(2, name="answer")(x)))
    quantized = pruning.quantize(model, [nets.inputs(model)])
    ranges = sorted(
        layer.maximum for layer in quantized.layers if isinstance(layer, FakeQuantize) and "shared" in layer.name
    )
    assert len(ranges) == 2 and ranges[1] > 5 * ranges[0]
    x = nets.inputs(model)
    assert nets.difference(quantized(x), model(x)) < 0.05


def test_what_silent_channels_were_they_stay(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    masked = pruning.mask(model, pruning.plan(graph, pruning.L1()(graph), sparsity=0.5))
    quantized = pruning.quantize(masked, [nets.inputs(model)])
    before, after = (np.asarray(one.get_layer("conv1").kernel) == 0 for one in (masked, quantized))
    assert before.any() and (after[before]).all()


def test_saved_and_loaded_it_computes_the_same(nets, tmp_path):
    model = nets.Detector({})
    nets.lively(model.network)
    x = nets.inputs(model)
    network = pruning.quantize(model, [x]).network
    network.save(tmp_path / "int8.keras")
    again = keras.saving.load_model(tmp_path / "int8.keras", safe_mode=True)
    assert nets.difference(again(x), network(x)) == 0


def test_percentile_cuts_outliers_and_the_original_is_untouched(nets):
    model = nets.shake(nets.plain())
    before = [np.asarray(weight) for weight in model.weights]
    x = nets.inputs(model, 16)
    x[0, 0, 0, 0] = 1000.0
    whole, cut = (
        next(layer for layer in pruning.quantize(model, [x], percentile=p).layers if isinstance(layer, FakeQuantize))
        for p in (100, 99.0)
    )
    assert whole.maximum == 1000.0 and cut.maximum < 5
    assert all(np.array_equal(a, np.asarray(b)) for a, b in zip(before, model.weights, strict=True))


def test_keep_and_the_report(nets, tmp_path):
    model = nets.shake(nets.plain())
    quantized = pruning.quantize(model, [(nets.inputs(model), "targets")], keep=["conv1"])
    report = quantized.quantization_report
    assert rows(quantized)["conv0"].quantized and not rows(quantized)["conv1"].quantized
    text = report.to_json(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(text)
    assert json.loads(text)["share_of_weights"] == pytest.approx(report.share)
    assert "kept by `keep`" in str(report) and "int8 per output channel" in str(report)


def test_mistakes_are_named(nets):
    model = nets.plain()
    with pytest.raises(ValueError, match="bits=16"):
        pruning.quantize(model, [], bits=16)
    with pytest.raises(ValueError, match="saw no data"):
        pruning.quantize(model, [])
    with pytest.raises(ValueError, match="'nothing' fits no layer"):
        pruning.quantize(model, [nets.inputs(model)], keep=["nothing"])
    with pytest.raises(ValueError, match="percentile=20"):
        pruning.quantize(model, [nets.inputs(model)], percentile=20)


def test_models_of_classes_of_their_own_and_sequential_ones(nets):
    class MakesItsLayers(keras.Model):
        def __init__(self, width=4, **kwargs):
            image = keras.Input((8, 8, 3))
            x = L.BatchNormalization(name="norm")(L.Conv2D(width, 3, use_bias=False, name="conv")(image))
            super().__init__(image, L.Dense(2, name="answer")(L.Flatten(name="flat")(L.ReLU(name="relu")(x))), **kwargs)

    class TakesThem(keras.Model):
        def __init__(self, inputs, outputs, extra=3, **kwargs):
            super().__init__(inputs, outputs, **kwargs)
            self.extra = extra

        def get_config(self):
            return {**super().get_config(), "extra": self.extra}

    image = keras.Input((8, 8, 3), name="image")
    own = MakesItsLayers(name="own")
    around = TakesThem(image, L.Dense(2, name="last")(L.ReLU(name="active")(own(image))), extra=7)
    inner = keras.Sequential([L.Conv2D(4, 3, activation="relu", name="inside"), L.Flatten(name="flat")], name="inner")
    chain = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, use_bias=False, name="first"),
                              L.BatchNormalization(name="norm"), L.ReLU(name="relu"), inner,
                              L.Dense(5, activation="softmax", name="cls")])  # fmt: skip
    with pytest.warns(UserWarning, match="builds its layers itself"):
        pruning.quantize(own, [nets.inputs(own)])
    for model, kind, quantized_layers in ((around, TakesThem, 2), (chain, keras.Sequential, 3)):
        nets.lively(model)
        x = nets.inputs(model)
        found = pruning.quantize(model, [x])
        assert type(found) is kind and nets.difference(found(x), model(x)) < 0.05
        assert sum(bool(row.quantized and row.weights) for row in found.quantization_report.rows) == quantized_layers
    assert pruning.quantize(around, [nets.inputs(around)]).extra == 7
