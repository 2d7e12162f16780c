"""Costs of the networks of keras.applications: published figures, TensorFlow's own count, and after removal."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
import pruning

profiler = tf.compat.v1.profiler

# Name -> size of the picture, millions of parameters, GMACs, largest relative difference from those GMACs.
# Parameters: the table of https://keras.io/api/applications, which counts batch-norm statistics as Keras does.
# GMACs: a paper's, or `_ops` of torchvision's weights where its network is the same one. All count kernels alone.
PUBLISHED = {
    # He et al. 2015, Table 1: 3.8e9 and 7.6e9 multiply-adds, stride in the 1x1 convolutions as here
    # (torchvision's 4.09 is of another ResNet-50, with the stride in the 3x3 convolutions).
    "ResNet50": (224, 25.6, 3.8, 0.02),
    "ResNet101": (224, 44.7, 7.6, 0.01),
    "VGG16": (224, 138.4, 15.47, 0.001),  # torchvision; He et al. 2015: 15.3, the convolutions alone
    "VGG19": (224, 143.7, 19.632, 0.001),  # torchvision; He et al. 2015: 19.6
    "MobileNet": (224, 4.3, 0.569, 0.002),  # Howard et al. 2017, Table 8
    "MobileNetV2": (224, 3.5, 0.300, 0.005),  # Sandler et al. 2018, Table 4; torchvision: 0.301
    "MobileNetV3Small": (224, None, 0.056, 0.01),  # Howard et al. 2019, Table 3; torchvision: 0.057
    "MobileNetV3Large": (224, None, 0.217, 0.003),  # torchvision; Howard et al. 2019: 0.219
    "DenseNet121": (224, 8.1, 2.834, 0.001),  # torchvision
    "DenseNet201": (224, 20.2, 4.291, 0.001),  # torchvision
    "EfficientNetB0": (224, 5.3, 0.39, 0.015),  # Tan & Le 2019, Table 2; torchvision: 0.386
    "EfficientNetV2S": (384, 21.6, 8.366, 0.001),  # torchvision
    "InceptionV3": (299, 23.9, 5.72, 0.002),  # Zoph et al. 2018, Table 2; torchvision: 5.713
    "Xception": (299, 22.9, 8.38, 0.005),  # Zoph et al. 2018, Table 2
    "InceptionResNetV2": (299, 55.9, 13.2, 0.01),  # Zoph et al. 2018, Table 2
    "NASNetMobile": (224, 5.3, 0.564, 0.001),  # Zoph et al. 2018, Table 3
    "ConvNeXtTiny": (224, 28.6, 4.5, 0.015),  # Liu et al. 2022, Table 1
}
FAST = ("MobileNet", "MobileNetV3Small", "ResNet50")
MULTIPLYING = ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul", "BatchMatMulV2")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED]
)
def test_a_network_of_the_zoo(nets, name):
    size, millions, gmacs, tolerance = PUBLISHED[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    cost = pruning.cost(model)
    assert cost.params == model.count_params()
    assert cost.bytes == sum(np.asarray(weight).nbytes for weight in model.weights)  # Normalization counts in int64
    if millions is not None:
        assert round(cost.params / 1e6, 1) == millions
    assert cost.macs / 1e9 == pytest.approx(gmacs, rel=tolerance)
    # Keras compiles a grouped convolution (ConvNeXt's depthwise ones) as a function that the profiler does not see.
    grouped = {layer.name for layer in model._flatten_layers() if getattr(layer, "groups", 1) > 1}
    hidden = sum(layer.macs for layer in cost.layers if layer.path.rpartition("/")[2] in grouped)
    assert cost.macs - hidden == tensorflow_macs(model, (1, size, size, 3))
    assert cost.effective.layers == cost.layers


def test_a_mask_rcnn(nets):
    model = small_mask_rcnn()
    shapes = model.input_shapes((64, 96), rois=7, detections=3)
    cost = pruning.cost(model, shapes)
    assert cost.params == model.network.count_params()
    assert cost.macs == tensorflow_macs(model.network, shapes)
    assert set(cost.parts) == {"features", "rpn", "box_head", "mask_head"}
    assert all(part.macs > 0 for part in cost.parts.values())


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV3Small",
        pytest.param("ResNet50", marks=pytest.mark.slow),
        pytest.param("DenseNet121", marks=pytest.mark.slow),
        pytest.param("InceptionV3", marks=pytest.mark.slow),
    ],
)
def test_removed_costs_what_masked_leaves(nets, name):
    side = max(64, {"InceptionV3": 75}.get(name, 0))
    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=4)
    compare_removed_and_masked(nets.lively(model), None)


def test_a_removed_mask_rcnn_costs_what_the_masked_one_leaves(nets):
    model = small_mask_rcnn()
    nets.lively(model.network)
    compare_removed_and_masked(model, model.input_shapes((64, 64), rois=5, detections=2))


def compare_removed_and_masked(model, shapes):
    """Every layer of the removed model costs what it costs, masked channels left out, in the masked model."""
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.Random(1)(graph), 0.4)
    masked, small = pruning.mask(model, plan), pruning.remove(model, plan)
    left, asked = pruning.cost(masked, shapes).effective, pruning.cost(model, shapes, plan=plan).effective
    found = pruning.cost(small, shapes)
    assert found.layers == left.layers == asked.layers
    assert found.params == getattr(small, "network", small).count_params() < 0.8 * pruning.cost(model, shapes).params
    assert found.macs == tensorflow_macs(getattr(small, "network", small), shapes or (1, *small.input_shape[1:]))


def small_mask_rcnn():
    keras.utils.set_random_seed(3)
    config = maskrcnn.MaskRCNNConfig(
        class_names=("square", "circle"), backbone="resnet10", backbone_alpha=0.125, fpn_width=8, rpn_width=8,
        box_head_widths=(16,), mask_head_widths=(8,), mask_deconv_width=8, min_size=64, max_size=64,
        anchor_sizes=(8, 16, 32, 64, 128), roi_canonical_size=32.0,
    )  # fmt: skip
    return maskrcnn.MaskRCNN(config)


def tensorflow_macs(model, shapes):
    """Half the floating-point operations that TensorFlow's profiler counts in convolutions and products of matrices."""
    specs = keras.tree.map_shape_structure(tf.TensorSpec, shapes)
    graph = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(specs).graph
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output().build()
    pending, operations = [profiler.profile(graph, options=options)], 0
    while pending:
        node = pending.pop()
        pending += node.children
        if node.float_ops and graph.get_operation_by_name(node.name).type in MULTIPLYING:
            operations += node.float_ops
    return operations / 2
