"""Groups of every topology, locks with their reasons, and clear errors."""

import re
import time

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def makers(group):
    return sorted(member.layer.name for member in group.producers)


def readers(group):
    return sorted(member.layer.name for member in group.readers)


def test_plain_chain(nets):
    graph = pruning.ChannelGraph(nets.plain())
    assert [(g.name, g.size, makers(g), readers(g)) for g in graph.prunable] == [
        ("conv0", 6, ["conv0"], ["conv1"]),
        ("conv1", 8, ["conv1"], ["logits"]),
    ]
    assert "model output 'logits'" in graph.group_of("logits").locked
    assert graph.groups[0].locked == "model input 'image'"


def test_residual_writers_are_one_group(nets):
    graph = pruning.ChannelGraph(nets.residual())
    assert makers(graph.group_of("stem")) == ["back", "stem"]
    assert readers(graph.group_of("stem")) == ["head", "inside"]
    assert graph.group_of("stem").filters.tolist() == [2] * 8


def test_concatenation_splits_what_it_is_added_to(nets):
    graph = pruning.ChannelGraph(nets.concat())
    a, b = graph.group_of("a"), graph.group_of("b")
    assert (a.size, makers(a)) == (4, ["a", "c"])
    assert (b.size, makers(b)) == (6, ["b", "c"])
    (reader,) = b.readers
    assert reader.parts[0].positions.tolist() == [4, 5, 6, 7, 8, 9]


def test_flatten_gives_a_copy_for_every_position(nets):
    graph = pruning.ChannelGraph(nets.flatten_dense())
    (reader,) = graph.group_of("conv").readers
    gone = np.array([False, True, False, False, False])
    assert reader.parts[0].at(gone).tolist() == list(range(1, 80, 5))


def test_depthwise_transpose_separable_grouped(nets):
    graph = pruning.ChannelGraph(nets.transpose_depthwise())
    conv = graph.group_of("conv")
    assert conv.size == 6 and readers(conv) == ["up"]
    assert {m.layer.name for m in conv.by_role("carries")} == {"deep", "deep_norm"}
    assert conv.readers[0].parts[0].at(np.eye(6, dtype=bool)[2]).tolist() == [4, 5]  # depth_multiplier 2
    assert graph.group_of("up").size == 4 and readers(graph.group_of("up")) == ["sep"]
    whole = graph.group_of("sep")  # three conv groups of two channels live or die together
    assert (whole.size, makers(whole)) == (3, ["grouped", "sep"])


def test_excitation_is_tied_by_broadcasting(nets):
    graph = pruning.ChannelGraph(nets.excite())
    assert makers(graph.group_of("conv")) == ["conv", "expand"]
    assert readers(graph.group_of("conv")) == ["head", "reduce"]


def test_fpn_is_two_groups(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    laterals, outputs = graph.group_of("lateral2"), graph.group_of("p2")
    assert makers(laterals) == ["lateral2", "lateral3"] and readers(laterals) == ["p2", "p3"]
    assert makers(outputs) == ["p2", "p3"] and readers(outputs) == ["fc1", "rpn_conv"]
    assert {g.name: g.part for g in graph.prunable} == {
        "features/c2": "features",
        "features/c3": "features",
        laterals.name: "features",
        outputs.name: "features",
        "rpn/rpn_conv": "rpn",
        "box_head/fc1": "box_head",
    }
    assert "reads them as numbers" in graph["input rois"].locked


def test_an_object_with_a_network_and_a_sequential_model(nets):
    assert pruning.ChannelGraph(nets.Detector({})).network.name == "network"
    model = keras.Sequential([keras.Input((4, 4, 3)), L.Conv2D(5, 3, name="first"), L.Flatten(), L.Dense(2)])
    assert [g.name for g in pruning.ChannelGraph(model).prunable] == ["first"]
    outer_in = keras.Input((4, 4, 3))
    outer = keras.Model(outer_in, L.Dense(3, name="end")(model(outer_in)))
    assert len(pruning.ChannelGraph(outer).prunable) == 2  # `first`, and the inner Dense that `end` reads
    with pytest.raises(TypeError, match="Functional or Sequential"):
        pruning.ChannelGraph(object())


def test_a_shared_layer_ties_what_it_reads():
    image = keras.Input((8, 8, 3))
    one, two = L.Conv2D(4, 1, name="one")(image), L.Conv2D(4, 1, name="two")(image)
    shared = L.Conv2D(3, 1, name="shared")
    out = L.Conv2D(2, 1, name="head")(L.Add()([shared(one), shared(two)]))
    graph = pruning.ChannelGraph(keras.Model(image, out))
    assert makers(graph.group_of("one")) == ["one", "two"]
    assert graph.group_of("shared").size == 3


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: L.LayerNormalization(name="odd"), "normalised by a mean over channels"),
        (lambda: L.Softmax(name="odd"), "softmax over channels"),
        (lambda: L.Activation("softmax", name="odd"), "softmax over channels"),
    ],
)
def test_locks_say_why(layer, reason):
    image = keras.Input((8, 8, 3))
    x = layer()(L.Conv2D(4, 1, name="conv")(image))
    graph = pruning.ChannelGraph(keras.Model(image, L.Dense(2, name="head")(x)))
    locked = graph.group_of("conv").locked
    assert reason in locked and "odd" in locked


@pytest.mark.parametrize("target", [(64, 4), (8, 2, 16), (256,), (1, 1, 256)])
def test_reshape_to_whole_positions_keeps_channels(target):
    image = keras.Input((8, 8, 3))
    x = L.Reshape(target)(L.Conv2D(4, 1, name="conv")(image))
    group = pruning.ChannelGraph(keras.Model(image, L.Dense(2, name="head")(x))).group_of("conv")
    assert group.locked is None
    assert group.readers[0].parts[0].units.tolist() == [0, 1, 2, 3] * (target[-1] // 4)


class Unheard(L.Layer):
    def call(self, inputs):
        return inputs * 2.0


def test_what_is_not_known_is_kept_whole_and_named_once():
    def twice(x):
        return 2 * x

    image = keras.Input((8, 8, 3))
    x = L.Conv2D(5, 1, name="free")(image)
    x = L.Conv2D(4, 1, activation=twice, name="twice_active")(x)
    x = L.Conv2D(6, 1, name="before")(L.Conv2D(7, 1, name="free_too")(x))
    model = keras.Model(image, L.Conv2D(2, 1)(Unheard(name="odd_one")(x)))
    with pytest.warns(UserWarning, match="kept whole") as caught:
        graph = pruning.ChannelGraph(model)
    assert len(caught) == 1
    assert re.search(r"'twice' of 'twice_active': pruning.register\(twice, .*'odd_one' \(Unheard\): "
                     r"pruning.register\(Unheard, ", str(caught[0].message))  # fmt: skip
    assert {group.name for group in graph.prunable} == {"free", "free_too"}
    assert "not known" in graph.group_of("before").locked
    with pytest.raises(ValueError, match="'odd_one' .Unheard.: pruning.register.Unheard, "):
        pruning.ChannelGraph(model, unknown="error")
    with pytest.raises(ValueError, match="'warn'|\"warn\""):
        pruning.ChannelGraph(model, unknown="never")
    stated = pruning.ChannelGraph(model, rules={Unheard: "keep", twice: "keep"}, unknown="error")
    assert {group.name for group in stated.prunable} == {"free", "twice_active", "free_too", "before"}
    assert len(pruning.ChannelGraph(model, unknown="keep").prunable) == 2  # the rules were for one graph


def test_a_weighted_layer_may_not_claim_to_keep():
    class Scale(L.Layer):
        channel_rule = "keep"

        def build(self, shape):
            self.factor = self.add_weight(shape=(shape[-1],))

        def call(self, inputs):
            return inputs * self.factor

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, L.Conv2D(2, 1)(Scale(name="scale")(L.Conv2D(4, 1)(image))))
    with pytest.raises(ValueError, match="'scale' has weights"):
        pruning.ChannelGraph(model)


def test_a_rule_of_ones_own_places_weights():
    def rule(call, trace):
        channels = trace.channels(call.inputs[0])
        trace.slice(call, "carries", call.layer.factor, -1, channels)
        trace.give(call.outputs[0], channels, call)

    class Factor(L.Layer):
        channel_rule = staticmethod(rule)

        def build(self, shape):
            self.factor = self.add_weight(shape=(shape[-1],), name="factor")

        def call(self, inputs):
            return inputs * self.factor

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, L.Conv2D(2, 1)(Factor(name="factor")(L.Conv2D(4, 1, name="conv")(image))))
    group = pruning.ChannelGraph(model).group_of("conv")
    assert [member.path for member in group.by_role("carries")] == ["factor"]


def test_include_and_exclude(nets):
    model = nets.fpn()

    def free(**choice):
        return {g.name.split("/")[-1] for g in pruning.ChannelGraph(model, **choice).prunable}

    assert free(include="rpn") == {"rpn_conv"}
    assert free(include=["box_head", "c2"]) == {"fc1", "c2"}
    assert free(exclude=re.compile("^c[23]$")) == free() - {"c2", "c3"}
    assert free(exclude="c.*") == free() - {"c2", "c3"}
    assert free(include=L.Dense) == {"fc1"}
    assert free(include="features", exclude="p3") == {"c2", "c3", next(n for n in free() if "lateral" in n)}
    with pytest.raises(ValueError, match="matches no group.*box_head"):
        pruning.ChannelGraph(model, exclude="rpm")


def test_it_prints_as_a_list(nets):
    text = str(pruning.ChannelGraph(nets.fpn()))
    assert "6 prunable with 55 channels" in text
    assert "made by  features/p2, features/p3" in text or "made by  features/p3, features/p2" in text
    assert "locked: reaches the model output 'class0'" in text


@pytest.mark.parametrize(
    ("name", "settings", "prunable"),
    [
        ("MobileNet", {"alpha": 0.25, "input_shape": (64, 64, 3)}, 14),
        ("MobileNetV2", {"alpha": 0.35, "input_shape": (64, 64, 3)}, 25),
        ("MobileNetV3Small", {"input_shape": (64, 64, 3)}, 27),
    ],
)
def test_zoo_models_are_read(name, settings, prunable):
    model = getattr(keras.applications, name)(weights=None, **settings)
    start = time.perf_counter()
    graph = pruning.ChannelGraph(model)
    assert time.perf_counter() - start < 5
    assert len(graph.prunable) == prunable and not graph.loose
    assert sum(group.size for group in graph.prunable) > 500
