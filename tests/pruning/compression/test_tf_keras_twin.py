"""The tf_keras twin: equal outputs, and tensorflow-model-optimization at work on it, down to the LiteRT file."""

import importlib.util
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
import pruning

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tf_keras", "tensorflow_model_optimization"))),
    reason="tensorflow-model-optimization is not installed",
)
L = keras.layers


@pytest.fixture
def tfmot():
    return pruning.tensorflow_model_optimization()


def small(seed=0):
    """A classifier that a test can train: conv, norm, conv, dense; two classes by the sign of the mean."""
    keras.utils.set_random_seed(seed)
    x = image = keras.Input((8, 8, 1), name="image")
    x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(L.Conv2D(8, 3, use_bias=False, name="conv")(x)))
    x = L.Conv2D(8, 3, activation="relu", name="conv2")(x)
    x = L.Flatten(name="flat")(x)
    return keras.Model(image, L.Dense(2, activation="softmax", name="cls")(x), name="net")


def data(count=256):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    return (rng.normal(size=(count, 8, 8, 1)) + 0.4 * (2 * labels[:, None, None, None] - 1)).astype("float32"), labels


def fit(model, epochs=3, callbacks=()):
    import tf_keras

    model.compile(tf_keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(*data(), batch_size=32, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


def accuracy(answer):
    return np.mean(np.asarray(answer).argmax(1) == data()[1])


@pytest.fixture(scope="module")
def trained():
    model = small()
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(*data(), batch_size=32, epochs=5, verbose=0)
    return model


def test_outputs_are_equal_on_every_topology(nets):
    for build in nets.builders:
        model = nets.shake(build())
        twin, x = pruning.to_tf_keras(model), nets.inputs(model)
        assert type(twin).__module__.startswith("tf_keras")
        assert nets.difference(twin(x, training=False), model(x, training=False)) < 1e-5, model.name
        assert tf.keras.Model is keras.Model and os.environ.get("TF_USE_LEGACY_KERAS") != "1"


def test_layers_whose_settings_have_other_names_or_defaults(nets):
    image = keras.Input((6, 6, 4), name="image")
    x = L.Conv2D(4, 3, padding="same", activation="gelu", kernel_regularizer="l2", name="gelu")(image)
    x = L.LeakyReLU(0.37, name="leaky")(L.PReLU(shared_axes=[1, 2], name="parametric")(x))
    x = L.Identity(name="same")(L.LayerNormalization(name="layer_norm")(x))
    x = L.UpSampling2D(2, interpolation="bilinear", name="up")(L.Dropout(0.5, name="drop")(x))
    x = L.Softmax(name="soft")(L.ReLU(6.0, negative_slope=0.1, threshold=0.05, name="odd_relu")(x))
    model = nets.shake(keras.Model(image, {"b": x, "a": L.GlobalMaxPooling2D(name="most")(x)}, name="net"))
    x = nets.inputs(model)
    twin = pruning.to_tf_keras(model)
    assert nets.difference(twin(x, training=False), model(x, training=False)) < 1e-5
    assert set(twin(x)) == {"a", "b"}


def test_nested_models_are_opened_and_shared_layers_stay_shared(nets):
    inner_in = keras.Input((4,), name="inner_in")
    inner = keras.Model(inner_in, L.Dense(4, name="dense")(inner_in), name="inner")
    outer_in = keras.Input((4,), name="outer_in")
    once = inner(outer_in)
    x = L.Dense(4, name="dense")(L.Add(name="add")([inner(once), once]))
    frozen = L.Dense(1, name="last")
    model = nets.shake(keras.Model(outer_in, frozen(x), name="outer"))
    frozen.trainable = False
    twin, x = pruning.to_tf_keras(model), np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    assert nets.difference(twin(x), model(x)) < 1e-5
    assert {"inner_dense", "dense", "last"} <= {layer.name for layer in twin.layers}
    assert len([weight for weight in twin.weights if weight.shape == (4, 4)]) == 2
    assert not twin.get_layer("last").trainable and twin.get_layer("dense").trainable


def test_a_pruned_model_has_a_twin_too(nets):
    model = nets.shake(nets.residual())
    graph = pruning.ChannelGraph(model)
    smaller = pruning.remove(model, pruning.plan(graph, pruning.L1()(graph), sparsity=0.4))
    x = nets.inputs(model)
    assert nets.difference(pruning.to_tf_keras(smaller)(x, training=False), smaller(x, training=False)) < 1e-5


def test_what_has_no_twin_is_named_in_one_error(nets):
    image = keras.Input((8, 8, 3))
    x = L.GroupNormalization(2, name="group_norm")(L.Conv2D(4, 3, activation="hard_sigmoid", name="hard")(image))
    model = keras.Model(image, keras.ops.abs(x))
    with pytest.raises(ValueError, match=r"hard \(activation hard_sigmoid\); group_norm \(GroupNormalization\); .*Abs"):
        pruning.to_tf_keras(model)
    with pytest.raises(ValueError, match="roi_align"):
        pruning.to_tf_keras(nets.Detector({}))


def test_clustering_runs_to_a_litert_file_and_back(nets, tfmot, trained, litert):
    kmeans = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = tfmot.clustering.keras.cluster_weights(
        pruning.to_tf_keras(trained), number_of_clusters=8, cluster_centroids_init=kmeans
    )
    with pytest.raises(ValueError, match="strip its wrappers"):
        pruning.take_weights(keras.models.clone_model(trained), wrapped)
    clustered = tfmot.clustering.keras.strip_clustering(fit(wrapped))
    assert all(len(np.unique(clustered.get_layer(name).kernel)) <= 8 for name in ("conv", "conv2", "cls"))
    x = data()[0]
    (answer,) = litert.run(litert.convert(clustered, optimize=False), x[:64]).values()
    assert np.abs(answer - clustered.predict(x[:64], verbose=0)).max() < 1e-4
    assert accuracy(clustered.predict(x, verbose=0)) > 0.9
    again = keras.models.clone_model(trained)
    pruning.take_weights(again, clustered)
    assert nets.difference(again(x, training=False), clustered(x, training=False)) < 1e-5


@pytest.mark.slow
def test_quantization_aware_training_runs_to_int8_kernels(tfmot, trained, litert):
    aware = fit(tfmot.quantization.keras.quantize_model(pruning.to_tf_keras(trained)))
    content = litert.convert(aware)
    found = [kernel[1:] for kernel in litert.kernels(content) if kernel[0] in ("CONV_2D", "FULLY_CONNECTED")]
    assert found == [("int8", "int8")] * 3
    (answer,) = litert.run(content, data()[0]).values()
    assert np.abs(answer - aware.predict(data()[0], verbose=0)).max() < 0.1
    assert accuracy(answer) > 0.9


@pytest.mark.slow
def test_combinations_that_preserve_what_was_done_before(tfmot, trained, litert):
    """Sparsity, sparsity then clusters, and each of them kept through quantization-aware training."""
    import tf_keras

    quantization, combine = tfmot.quantization.keras, tfmot.experimental.combine
    pruned = tfmot.sparsity.keras.strip_pruning(
        fit(
            tfmot.sparsity.keras.prune_low_magnitude(
                pruning.to_tf_keras(trained), tfmot.sparsity.keras.PolynomialDecay(0.0, 0.6, 0, 16, frequency=4)
            ),
            4,
            [tfmot.sparsity.keras.UpdatePruningStep()],
        )
    )
    zeros = pruned.get_layer("conv2").kernel.numpy() == 0
    assert zeros.mean() == pytest.approx(0.6, abs=0.02)
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    kmeans = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    copied = tf_keras.models.clone_model(pruned)  # clustering takes the layers of what it is given
    copied.set_weights(pruned.get_weights())
    both = cluster.cluster_weights(pruned, number_of_clusters=8, cluster_centroids_init=kmeans, preserve_sparsity=True)
    both = tfmot.clustering.keras.strip_clustering(fit(both))
    assert (both.get_layer("conv2").kernel.numpy()[zeros] == 0).all()
    for model, scheme in (
        (copied, combine.Default8BitPrunePreserveQuantizeScheme()),
        (both, combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)),
    ):
        aware = fit(quantization.quantize_apply(quantization.quantize_annotate_model(model), scheme))
        (answer,) = litert.run(litert.convert(aware), data()[0]).values()
        assert accuracy(answer) > 0.9


def test_tfmot_refuses_a_layer_it_does_not_know_and_names_it(nets, tfmot):
    with pytest.raises(RuntimeError, match="gate"):
        tfmot.quantization.keras.quantize_model(pruning.to_tf_keras(nets.excite()))


@pytest.mark.slow
def test_parts_of_mask_rcnn_one_by_one(nets, tfmot, litert):
    keras.utils.set_random_seed(0)
    config = maskrcnn.MaskRCNNConfig(
        class_names=("a", "b"), backbone="mobilenet", backbone_alpha=0.25, fpn_width=8, rpn_width=8,
        box_head_widths=(16,), mask_head_widths=(8,), mask_deconv_width=8,
    )  # fmt: skip
    model = maskrcnn.MaskRCNN(config)
    nets.lively(model.network)
    with pytest.raises(ValueError, match="box_roi_align"):
        pruning.to_tf_keras(model)
    for name in ("features", "rpn", "box_head", "mask_head"):
        part = model.network.get_layer(name)
        x = np.random.default_rng(0).normal(size=[2, *(n or 64 for n in part.inputs[0].shape[1:])]).astype("float32")
        assert nets.difference(pruning.to_tf_keras(part)(x, training=False), part(x, training=False)) < 1e-5, name
    rpn, x = model.network.get_layer("rpn"), np.random.default_rng(1).normal(size=(4, 8, 8, 8)).astype("float32")
    aware = tfmot.quantization.keras.quantize_model(pruning.to_tf_keras(rpn))
    for _ in range(3):
        aware(x, training=True)  # ranges move
    kernels = litert.kernels(litert.convert(aware))
    assert [kernel[1:] for kernel in kernels if kernel[0] == "CONV_2D"] == [("int8", "int8")] * 3
    kmeans = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = tfmot.clustering.keras.cluster_weights(
        pruning.to_tf_keras(rpn), number_of_clusters=4, cluster_centroids_init=kmeans
    )
    pruning.take_weights(rpn, tfmot.clustering.keras.strip_clustering(wrapped))
    assert len(np.unique(np.asarray(rpn.get_layer("rpn_conv").kernel))) == 4
