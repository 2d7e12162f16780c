"""Gate gradients from kernels equal those of explicit gates in front of every reader."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import pruning
from pruning.scores.backend_gradients import compiled
from pruning.scores.gradients import Gates, batch_size, samples

L = keras.layers


class Gate(L.Layer):
    """Multiplies channel i by the weight `values[unit[i]]`, all of them one."""

    def __init__(self, size, units, **kwargs):
        super().__init__(**kwargs)
        self.units = np.asarray(units)
        self.values = self.add_weight(shape=(size,), initializer="ones", trainable=False)

    def call(self, x):
        return x * keras.ops.take(self.values, self.units)


def every_reader(gated):
    """One of each reader, a skip, a shared head on two levels; with gates where channels are read, or without."""
    gates = {}

    def gate(group, reader, x, size=None, units=None):
        width = x.shape[-1]
        if not gated:
            return x
        gates.setdefault((group, reader), Gate(size or width, np.arange(width) if units is None else units))
        return gates[group, reader](x)

    image = keras.Input((8, 8, 3), name="image")
    stem = L.Conv2D(6, 3, padding="same", activation="relu", name="stem")(image)
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="inside")(gate("stem", "inside", stem))
    x = L.Conv2D(6, 3, padding="same", name="back")(gate("inside", "back", x))
    x = L.BatchNormalization(name="norm")(L.Add(name="add")([stem, x]))
    shared = L.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    half = L.AveragePooling2D(2, name="half")(x)
    one, two = (shared(gate("stem", "shared", level)) for level in (x, half))
    up = L.Conv2DTranspose(4, 2, strides=2, activation="tanh", name="up")(gate("shared", "up", two))
    deep = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(L.Concatenate(name="cat")([one, up]))
    both = np.repeat(np.arange(8), 2)
    first = deep if not gated else gate_halves(gates, deep, both)
    sep = L.SeparableConv2D(6, 3, padding="same", name="sep")(first)
    grouped = L.Conv2D(6, 3, padding="same", groups=3, activation="tanh", name="grouped")(sep)
    last = gate("sep", "fc", grouped, 3, np.repeat(np.arange(3), 2))
    fc = L.Dense(4, activation="tanh", name="fc")(L.Flatten(name="flat")(last))
    a = L.Dense(3, name="a")(gate("fc", "a", fc))
    b = L.Conv2D(2, 1, name="b")(gate("shared", "b", one))
    return keras.Model(image, {"a": a, "b": b}, name="every_reader"), gates


def gate_halves(gates, x, units):
    """Gates at `sep`: channels 0 to 3 of the eight belong to `shared`, the others to `up`."""
    gates["shared", "sep"] = Gate(4, [0, 1, 2, 3], name="gate_shared_sep")
    gates["up", "sep"] = Gate(4, [0, 1, 2, 3], name="gate_up_sep")
    low = gates["shared", "sep"]
    high = gates["up", "sep"]
    low.units, high.units = units[units < 4], units[units >= 4] - 4
    return L.Concatenate()([low(x[..., :8]), high(x[..., 8:])])


def losses_of(model):
    def task_losses(batch):
        found = model(batch["image"], training=False)
        return {
            "a": keras.ops.mean((found["a"] - batch["target"]) ** 2),
            "b": keras.ops.mean(keras.ops.sin(found["b"])),
        }

    return task_losses


def some_batch(count, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "image": generator.normal(size=(count, 8, 8, 3)).astype("float32"),
        "target": generator.normal(size=(count, 3)).astype("float32"),
    }


def test_kernels_give_the_gradients_of_explicit_gates(nets):
    plain, _ = every_reader(gated=False)
    nets.lively(plain)
    gated, gates = every_reader(gated=True)
    for layer in plain.layers:
        if layer.weights:
            gated.get_layer(layer.name).set_weights(layer.get_weights())
    graph = pruning.ChannelGraph(plain)
    assert {group.name for group in graph.prunable} == {name for name, _ in gates}
    found = Gates(graph, losses_of(plain))([some_batch(3)])
    for number, sample in enumerate(samples([some_batch(3)])):
        values = [gate.values.value for gate in gates.values()]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            losses = losses_of(gated)(sample)
        for task, loss in losses.items():
            expected = {}
            for (group, _), slope in zip(gates, tape.gradient(loss, values), strict=True):
                if slope is not None:
                    expected[group] = expected.get(group, 0) + slope.numpy()
            for group in graph.prunable:
                row = found[task][group.name][number]
                if group.name not in expected:
                    assert np.isnan(row).all(), (task, group.name)
                else:
                    scale = np.abs(expected[group.name]).max()
                    assert scale > 0
                    np.testing.assert_allclose(row, expected[group.name], atol=1e-5 * scale, err_msg=group.name)
    assert np.isnan(found["b"]["fc"]).all() and np.isfinite(found["b"]["shared"]).all()


def test_one_gate_stands_for_all_readers_and_calls(nets):
    """The gates of a group, summed over its readers, are the change of the loss when all readers scale up."""
    model = nets.lively(nets.fpn())

    def task_losses(batch):
        return sum(keras.ops.mean(keras.ops.tanh(out)) for out in keras.tree.flatten(model(batch, training=False)))

    graph = pruning.ChannelGraph(model)
    batch = nets.inputs(model, count=1)
    found = Gates(graph, task_losses)([batch])["loss"]
    group = graph.group_of("p2")  # read by the head on three levels and by the box head
    assert len(group.readers) == 2
    step = 1e-3  # smaller than the way to the next kink of a ReLU
    held = [(part, np.array(part.slice.variable)) for member in group.readers for part in member.parts]
    change = []
    for unit in range(group.size):
        ends = []
        for sign in (1, -1):
            for part, value in held:
                scaled = np.moveaxis(value.copy(), part.slice.axis, 0)
                scaled[part.positions[part.units == unit]] *= 1 + sign * step
                part.slice.variable.assign(np.moveaxis(scaled, 0, part.slice.axis))
            ends.append(float(task_losses(batch)))
        for part, value in held:
            part.slice.variable.assign(value)
        change.append((ends[0] - ends[1]) / (2 * step))
    assert np.abs(change).max() > 0.2
    np.testing.assert_allclose(found[group.name][0], change, atol=5e-4)


def test_batches_are_cut_into_samples(nets):
    model = nets.lively(nets.plain())
    task_losses = lambda batch: keras.ops.mean(model(batch["x"][0], training=False) ** 2)  # noqa: E731
    gates = Gates(pruning.ChannelGraph(model), task_losses)
    image = nets.inputs(model, count=4)
    whole = gates([{"x": (image, None)}])["loss"]
    apart = gates([{"x": (tf.constant(image[:3]), None)}, {"x": (image[3:], None)}])["loss"]
    assert whole["conv1"].shape == (4, 8) and whole["conv1"].dtype == np.float32
    assert len({row.tobytes() for row in whole["conv1"]}) == 4
    for name in whole:
        np.testing.assert_allclose(whole[name], apart[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "batch", [{"x": np.zeros((4, 2)), "y": np.zeros((3, 2))}, {"x": np.zeros((2, 2)), "y": np.zeros(())}, {}]
)
def test_batches_without_a_common_axis_are_refused(batch):
    with pytest.raises(ValueError, match="first axis, which must agree"):
        batch_size(batch)


def test_unreached_is_nan_and_reached_by_nothing_is_zero(nets):
    model = nets.lively(nets.plain(norm=False))

    def task_losses(batch):
        found = model(batch, training=False)
        return {"constant": 3.0, "dead": keras.ops.sum(0.0 * found), "live": keras.ops.sum(found)}

    found = Gates(pruning.ChannelGraph(model), task_losses)([nets.inputs(model)])
    for name in ("conv0", "conv1"):
        assert np.isnan(found["constant"][name]).all()
        assert (found["dead"][name] == 0).all()
        assert (found["live"][name] != 0).any()


def test_silent_channels_have_no_gradient(nets):
    model = nets.lively(nets.plain())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.apply_masks(model, plan, graph)
    found = Gates(graph, lambda batch: keras.ops.sum(model(batch, training=False)))([nets.inputs(model)])["loss"]
    for name in ("conv0", "conv1"):
        gone = plan.gone(name)
        assert (found[name][:, gone] == 0).all() and (found[name][:, ~gone] != 0).any()


def test_frozen_kernels_count(nets):
    model = nets.lively(nets.plain())
    run = lambda: Gates(pruning.ChannelGraph(model), lambda x: keras.ops.sum(model(x, training=False)))(  # noqa: E731
        [nets.inputs(model)]
    )["loss"]
    expected = run()
    model.trainable = False
    for name, gates in run().items():
        np.testing.assert_array_equal(gates, expected[name])


def test_other_sizes_and_values_need_no_new_trace(nets):
    model, traces = nets.lively(nets.fpn()), []

    def task_losses(batch):
        traces.append(1)
        return keras.ops.mean(model(batch, training=False)["boxes"] ** 2)

    graph = pruning.ChannelGraph(model)
    gates, name = Gates(graph, task_losses), graph.group_of("p2").name
    made = nets.inputs(model, count=2)
    batches = [made | {"image": made["image"][:, :size, :size]} for size in (16, 8, 12, 4)]
    first = gates(batches)["loss"][name]
    assert len(traces) <= 2
    model.get_layer("box_head").get_layer("fc1").kernel.assign_add(np.ones((40, 12)))
    assert not np.allclose(gates(batches)["loss"][name], first) and len(traces) <= 2


def test_wrong_losses_are_named(nets):
    model = nets.lively(nets.plain())
    graph, batches = pruning.ChannelGraph(model), [nets.inputs(model)]
    out = lambda batch: model(batch, training=False)  # noqa: E731
    with pytest.raises(ValueError, match=r"task 'bbox' has shape \(1, 4\)"):
        Gates(graph, lambda batch: {"bbox": out(batch)})(batches)
    with pytest.raises(ValueError, match="loss of task 'loss' on sample 0 is not finite: -?inf|nan"):
        Gates(graph, lambda batch: keras.ops.sum(out(batch)) / 0.0)(batches)
    with pytest.raises(ValueError, match="a gradient of task 'root' on sample 0 is not finite"):
        Gates(graph, lambda batch: {"root": keras.ops.sqrt(keras.ops.sum(out(batch) * 0.0))})(batches)
    with pytest.raises(ValueError, match="no batches"):
        Gates(graph, lambda batch: keras.ops.sum(out(batch)))(iter([]))


def test_other_backends_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(NotImplementedError, match="on tensorflow, jax, torch; found 'openvino'"):
        compiled(lambda batch: batch, [])
