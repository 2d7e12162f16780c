"""Scores from weights: the published formulas by hand, and the variants over groups."""

import keras
import numpy as np
import pytest

import pruning
from pruning.masks.living_channels import living

L = keras.layers


def relative(norms):
    return norms / norms.mean()


@pytest.mark.parametrize("power", [1, 2])
def test_group_magnitude_is_the_mean_over_members_of_relative_norms(nets, power):
    model = nets.shake(nets.plain())
    criterion = pruning.GroupL1 if power == 1 else pruning.GroupL2
    scores = criterion()(pruning.ChannelGraph(model))

    def norm(weight, axes):
        return (np.abs(weight) ** power).sum(axis=axes) ** (1 / power)

    folded = []
    for number in (0, 1):
        conv, bn = model.get_layer(f"conv{number}"), model.get_layer(f"norm{number}")
        factor = np.asarray(bn.gamma) / np.sqrt(np.asarray(bn.moving_variance) + bn.epsilon)
        folded.append(np.asarray(conv.kernel) * factor)
    dense = np.asarray(model.get_layer("logits").kernel)
    expected0 = (relative(norm(folded[0], (0, 1, 2))) + relative(norm(folded[1], (0, 1, 3)))) / 2
    expected1 = (relative(norm(folded[1], (0, 1, 2))) + relative(norm(dense, 1))) / 2
    np.testing.assert_allclose(scores["conv0"], expected0, rtol=1e-5)
    np.testing.assert_allclose(scores["conv1"], expected1, rtol=1e-5)
    alone = criterion(readers=False)(pruning.ChannelGraph(model))
    np.testing.assert_allclose(alone["conv0"], relative(norm(folded[0], (0, 1, 2))), rtol=1e-5)


def test_flattened_copies_are_one_member(nets):
    model = nets.shake(nets.flatten_dense())
    scores = pruning.GroupL1()(pruning.ChannelGraph(model))
    conv, dense = np.asarray(model.get_layer("conv").kernel), np.asarray(model.get_layer("fc").kernel)
    reader = np.abs(dense).sum(axis=1).reshape(16, 5).sum(axis=0)
    expected = (relative(np.abs(conv).sum(axis=(0, 1, 2))) + relative(reader)) / 2
    np.testing.assert_allclose(scores["conv"], expected, rtol=1e-5)


def test_random_is_seeded_by_group(nets):
    graph = pruning.ChannelGraph(nets.plain())
    one, again, other = pruning.Random(3)(graph), pruning.Random(3)(graph), pruning.Random(4)(graph)
    assert np.array_equal(one["conv1"], again["conv1"]) and not np.array_equal(one["conv1"], other["conv1"])
    alone = pruning.Random(3)(pruning.ChannelGraph(nets.plain(), include="conv1"))
    assert np.array_equal(one["conv1"], alone["conv1"])


@pytest.mark.parametrize(("criterion", "norm"), [(pruning.L1, 1), (pruning.L2, 2)])
def test_published_norms_look_at_the_filter_alone(nets, criterion, norm):
    model = nets.shake(nets.plain())
    scores = criterion()(pruning.ChannelGraph(model))
    for name in ("conv0", "conv1"):
        filters = np.moveaxis(np.asarray(model.get_layer(name).kernel), -1, 0).reshape(len(scores[name]), -1)
        np.testing.assert_allclose(scores[name], np.linalg.norm(filters, norm, axis=1), rtol=1e-5)
    relatives = criterion(relative=True)(pruning.ChannelGraph(model))
    np.testing.assert_allclose(relatives["conv1"], relative(scores["conv1"]), rtol=1e-6)
    assert relatives.settings == {"relative": True}


def test_a_channel_of_a_stream_has_a_filter_in_every_layer_that_makes_it(nets):
    model = nets.shake(nets.residual())
    graph = pruning.ChannelGraph(model)
    filters = np.concatenate([
        np.moveaxis(np.asarray(model.get_layer(name).kernel), -1, 0).reshape(8, -1) for name in ("stem", "back")
    ], axis=1)  # fmt: skip
    np.testing.assert_allclose(pruning.L1()(graph)["stem"], np.abs(filters).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(pruning.L2()(graph)["stem"], np.linalg.norm(filters, axis=1), rtol=1e-5)
    apart = np.linalg.norm(filters[:, None] - filters[None], axis=2).sum(axis=1)
    np.testing.assert_allclose(pruning.FPGM()(graph)["stem"], apart, rtol=1e-5)


def test_filters_lie_along_the_axis_that_makes(nets):
    """Transposed convolutions keep their outputs on another axis, and grouped ones share an output group."""
    model = nets.shake(nets.transpose_depthwise())
    scores = pruning.L1()(pruning.ChannelGraph(model))
    up = np.abs(np.asarray(model.get_layer("up").kernel)).sum(axis=(0, 1, 3))
    np.testing.assert_allclose(scores["up"], up, rtol=1e-5)
    sep = np.abs(np.asarray(model.get_layer("sep").pointwise_kernel)).sum(axis=(0, 1, 2)).reshape(3, 2).sum(axis=1)
    grouped = np.abs(np.asarray(model.get_layer("grouped").kernel)).sum(axis=(0, 1, 2)).reshape(3, 2).sum(axis=1)
    np.testing.assert_allclose(scores["sep"], sep + grouped, rtol=1e-5)


def test_the_filter_that_others_can_stand_in_for_goes_first(nets):
    model = nets.shake(nets.plain())
    kernel = np.array(model.get_layer("conv1").kernel)
    kernel[..., 3] = kernel[..., [0, 1, 2, 4, 5, 6, 7]].mean(axis=-1)  # near the median, and far from small
    kernel += 2.0
    model.get_layer("conv1").kernel.assign(kernel)
    graph = pruning.ChannelGraph(model)
    assert pruning.FPGM()(graph)["conv1"].argmin() == 3
    assert pruning.L1()(graph)["conv1"].argmin() != 3 or pruning.L2()(graph)["conv1"].argmin() == 3


def test_slimming_scores_are_the_scales(nets):
    model = nets.shake(nets.plain())
    gamma = np.asarray(model.get_layer("norm1").gamma)
    model.get_layer("norm1").gamma.assign(-gamma)  # their size counts
    np.testing.assert_allclose(pruning.BatchNormScale()(pruning.ChannelGraph(model))["conv1"], gamma, rtol=1e-6)
    image = keras.Input((8, 8, 3))
    x = L.BatchNormalization(name="a_norm")(L.Conv2D(4, 1, name="a")(image))
    y = L.BatchNormalization(name="b_norm")(L.Conv2D(4, 1, name="b")(image))
    both = nets.shake(keras.Model(image, L.Conv2D(2, 1)(L.Add()([x, y]))))
    mean = (np.asarray(both.get_layer("a_norm").gamma) + np.asarray(both.get_layer("b_norm").gamma)) / 2
    np.testing.assert_allclose(pruning.BatchNormScale()(pruning.ChannelGraph(both))["a"], mean, rtol=1e-6)


@pytest.mark.parametrize("build", ["residual", "excite", "flatten_dense"])
def test_a_group_without_a_scale_is_named(nets, build):
    graph = pruning.ChannelGraph(getattr(nets, build)())
    with pytest.raises(ValueError, match=r"BatchNormScale: no batch norm with a scale carries .*exclude=\["):
        pruning.BatchNormScale()(graph)


def test_zero_weights_score_zero_and_never_nan(nets):
    model = nets.plain()
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    graph = pruning.ChannelGraph(model)
    for criterion in FROM_WEIGHTS:
        found = criterion(graph)
        assert all(np.isfinite(found[name]).all() for name in found), criterion


FROM_WEIGHTS = [
    pruning.L1(), pruning.L1(relative=True), pruning.L2(), pruning.L2(relative=True), pruning.GroupL1(),
    pruning.GroupL2(), pruning.GroupL1(readers=False), pruning.FPGM(), pruning.FPGM(relative=True),
    pruning.BatchNormScale(), pruning.BatchNormScale(relative=True),
]  # fmt: skip


@pytest.mark.parametrize("name", ["plain", "residual", "concat", "fpn"])
def test_a_masked_model_and_its_removed_twin_rank_alike(nets, name):
    """Silenced channels change no other's score, and are the last of all."""
    model = nets.lively(getattr(nets, name)())
    graph = pruning.ChannelGraph(model)
    first = pruning.plan(graph, pruning.Random(3), 0.4, scope="global")
    assert sum(map(len, first.removed.values())) > 2
    twin = pruning.ChannelGraph(pruning.remove(model, first))
    pruning.apply_masks(model, first, graph)
    alive = living(graph)
    for criterion in FROM_WEIGHTS:
        if isinstance(criterion, pruning.BatchNormScale) and name != "plain":
            continue
        masked, removed = criterion(graph), criterion(twin)
        mine = np.concatenate([masked[group][alive[group]] for group in masked])
        theirs = np.concatenate([removed[group] for group in removed])
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-9, err_msg=repr(criterion))
        gone = np.concatenate([masked[group][~alive[group]] for group in masked])
        assert gone.size and gone.max() <= theirs.min(), criterion


def test_what_starts_at_zero_has_not_been_pruned(nets):
    """A whole group of zeros is no mask: its channels count as living, and nothing is divided by nothing."""
    model = nets.lively(nets.plain(norm=False, bias=False))
    model.get_layer("conv1").kernel.assign(np.zeros((3, 3, 6, 8)))
    graph = pruning.ChannelGraph(model)
    assert living(graph)["conv1"].all()
    assert np.isfinite(pruning.GroupL1()(graph)["conv1"]).all()


def test_a_kernel_is_folded_once_a_turn(nets, monkeypatch):
    graph, calls = pruning.ChannelGraph(nets.lively(nets.plain())), []
    folded = type(graph).folded
    monkeypatch.setattr(type(graph), "folded", lambda self, kernel: calls.append(kernel) or folded(self, kernel))
    pruning.GroupL1()(graph)
    assert len(calls) == len(graph.kernels) == len(set(map(id, calls)))


def test_half_precision_does_not_overflow(nets):
    keras.config.set_dtype_policy("float16")
    try:
        model = nets.plain()
    finally:
        keras.config.set_dtype_policy("float32")
    model.get_layer("conv0").kernel.assign(np.full((3, 3, 3, 6), 300.0))
    for criterion in (pruning.L2(), pruning.GroupL2(), pruning.FPGM()):
        assert np.isfinite(criterion(pruning.ChannelGraph(model))["conv0"]).all()


def test_a_new_criterion_is_one_method(nets):
    class Spread(pruning.FilterCriterion):
        def of_filters(self, group, alive):
            return np.arange(group.size, dtype=float)

    class Wrong(pruning.Criterion):
        def score(self, graph, group):
            return np.ones(group.size + 1)

    graph = pruning.ChannelGraph(nets.plain())
    assert pruning.plan(graph, Spread(), 0.5).removed == {"conv0": (0, 1, 2), "conv1": (0, 1, 2, 3)}
    with pytest.raises(ValueError, match="one score for each of its 6 channels"):
        Wrong()(graph)


def test_wrong_objects_are_named(nets):
    model = nets.plain()
    with pytest.raises(TypeError, match=r"write L1\(\)\(pruning.ChannelGraph\(model\)\)"):
        pruning.L1()(model)
    with pytest.raises(TypeError, match=r"make the criterion first, pruning.L1\(\)\(graph\)"):
        pruning.L1(pruning.ChannelGraph(model))


def test_relative_scores_have_mean_one_over_the_living_channels_of_every_group():
    values = {"wide": np.array([1.0, 3.0, 0.0, 8.0]), "narrow": np.array([50.0, 150.0]), "dead": np.zeros(2)}
    silent = {"wide": np.array([False, False, True, False])}
    scores = pruning.Scores(values, "L1", "print", {"p": 1}, silent)
    found = scores.relative()
    assert found["wide"] == pytest.approx([0.25, 0.75, 0.0, 2.0])
    assert found["narrow"] == pytest.approx([0.5, 1.5])
    assert found["dead"] == pytest.approx([0, 0])
    assert found.settings == {"p": 1, "relative": True} and found.silent is silent
    assert found.relative()["wide"] == pytest.approx(found["wide"])
