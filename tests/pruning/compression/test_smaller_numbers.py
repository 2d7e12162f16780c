"""Halves, clustered weights, and files that hold each weight in the fewest bits that give it back."""

import keras
import numpy as np
import pytest

import pruning
from pruning.compression.weight_clustering import clustered

L = keras.layers


def values(model):
    network = getattr(model, "network", model)
    return {weight.path: np.asarray(weight) for weight in network.weights}


def test_float16_rounds_folded_weights_and_says_what_does_not_fit(nets):
    model = nets.lively(nets.plain())
    model.get_layer("conv1").bias.assign([1e5] + [0.0] * 7)
    halves, x = pruning.to_float16(model), nets.inputs(model)
    assert not [layer for layer in halves.layers if isinstance(layer, L.BatchNormalization)]
    kernel = np.asarray(halves.get_layer("conv0").kernel)
    assert np.array_equal(kernel, kernel.astype("float16").astype("float32"))
    assert not np.array_equal(kernel, np.asarray(pruning.fold_batch_norm(model).get_layer("conv0").kernel))
    assert 0 < nets.difference(halves(x), model(x)) < 1e-2
    found = {row.layer: row for row in halves.quantization_report.rows}
    assert found["conv0"].quantized and not found["conv1"].quantized and "65504" in found["conv1"].reason


def test_clusters_are_as_many_as_asked_and_zeros_stay(nets):
    model = nets.shake(nets.flatten_dense())
    graph = pruning.ChannelGraph(model)
    masked = pruning.mask(model, pruning.plan(graph, pruning.L1()(graph), sparsity=0.4))
    small = pruning.cluster(masked, 8, keep=["logits"])
    for name in ("conv", "fc"):
        before, after = (np.asarray(one.get_layer(name).kernel) for one in (masked, small))
        assert len(np.unique(after)) == 8
        assert np.array_equal(before == 0, after == 0) and (after == 0).any()
        assert np.array_equal(np.asarray(small.get_layer(name).bias), np.asarray(masked.get_layer(name).bias))
    assert np.array_equal(np.asarray(small.get_layer("logits").kernel), np.asarray(masked.get_layer("logits").kernel))
    reasons = {row.layer: row.reason for row in small.quantization_report.rows}
    assert reasons == {"conv": "", "fc": "", "logits": "kept by `keep`"}


def test_clustering_is_that_of_k_means():
    rng = np.random.default_rng(0)
    centres = np.array([-3.0, -1.0, 0.5, 4.0])
    members = rng.integers(0, 4, 2000)
    weights = (centres[members] + rng.normal(0, 0.05, 2000)).astype("float32").reshape(40, 50)
    found = clustered(weights, 4)
    for place in range(4):
        its = found.ravel()[members == place]
        assert np.ptp(its) == 0 and its[0] == pytest.approx(weights.ravel()[members == place].mean(), abs=1e-6)
    spread = rng.normal(size=(100, 100)).astype("float32")
    evenly = np.abs(spread[..., None] - np.linspace(spread.min(), spread.max(), 16)).min(-1)
    assert np.mean((clustered(spread, 16) - spread) ** 2) < 0.7 * np.mean(evenly**2)


def test_more_clusters_than_numbers_change_nothing():
    few = np.array([[1.0, 2.0], [2.0, 5.0]], "float32")
    assert np.array_equal(clustered(few, 8), few)
    assert np.array_equal(clustered(np.zeros((3, 3), "float32"), 4), np.zeros((3, 3)))


@pytest.mark.parametrize("how", ["as it is", "int8", "float16", "clusters"])
def test_a_compact_file_gives_every_number_back(nets, tmp_path, how):
    model = nets.lively(nets.transpose_depthwise(), seed=2)
    wide = L.Conv2D(40, 3, name="wide")(model.output)
    model = keras.Model(model.input, L.Conv2D(40, 3, name="wider")(L.ReLU(name="wide_relu")(wide)), name="net")
    x = nets.inputs(model)
    small = {
        "as it is": lambda: model,
        "int8": lambda: pruning.quantize(model, [x]),
        "float16": lambda: pruning.to_float16(model),
        "clusters": lambda: pruning.cluster(model, 16),
    }[how]()
    written = pruning.save_compact(small, tmp_path / "small.safetensors")
    again = pruning.load_compact(tmp_path / "small.safetensors")
    assert type(again) is type(small)
    for path, value in values(small).items():
        assert np.array_equal(values(again)[path], value), path
    assert nets.difference(again(x), small(x)) == 0
    small.save(tmp_path / "small.keras")
    share = (tmp_path / "small.safetensors").stat().st_size / (tmp_path / "small.keras").stat().st_size
    most, kind = {
        "as it is": (1, "float32"), "int8": (0.75, "int8"), "float16": (0.65, "float16"), "clusters": (0.4, "table")
    }[how]  # fmt: skip
    assert written["wide:0"].form == kind and share < most


def test_an_object_around_a_network_and_other_files(nets, tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(TypeError, match=r"\.network"):
        pruning.save_compact(object(), tmp_path / "x")
    save_file({"a": np.zeros(2, "float32")}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no network"):
        pruning.load_compact(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="clusters=1"):
        pruning.cluster(nets.plain(), 1)
