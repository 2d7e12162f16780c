"""The report before pruning: its rows, and that its limits are those that plans meet."""

import json

import keras
import pytest

import pruning

L = keras.layers
SHAPES = {"image": (1, 32, 32, 3), "rois": (1, 5, 4)}


@pytest.mark.parametrize("name", ["plain", "residual", "concat", "flatten_dense", "transpose_depthwise", "excite"])
def test_the_most_that_can_go_is_what_a_plan_can_take(nets, name):
    model = nets.lively(getattr(nets, name)())
    graph = pruning.ChannelGraph(model)
    report = graph.report()
    for measure in ("params", "macs", "bytes"):
        most = report.most[measure]
        assert pruning.plan(graph, pruning.Random(), most - 1e-9, measure=measure).achieved == pytest.approx(most)
        with pytest.raises(ValueError, match=f"at most {most:.2%} can"):
            pruning.plan(graph, pruning.Random(), most + 1e-3, measure=measure)
    assert pruning.plan(graph, pruning.Random(), 0.999).achieved == pytest.approx(report.most["filters"])
    small = pruning.remove(model, pruning.plan(graph, pruning.Random(), 0.999))
    assert 1 - small.count_params() / model.count_params() == pytest.approx(report.most["params"])


def test_a_row_for_every_group_with_the_reason_and_the_layer(nets):
    graph = pruning.ChannelGraph(nets.fpn(), exclude="rpn")
    report = graph.report(SHAPES)
    rows = {row.group: row for row in report.rows}
    assert list(rows) == [group.name for group in graph.groups]
    assert (rows["features/p3"].channels, rows["features/p3"].may_go, rows["features/p3"].reason) == (10, 9, None)
    assert set(rows["features/p3"].layers) == {"features/p3", "features/p2"} and rows["features/p3"].part == "features"
    assert (rows["rpn/rpn_conv"].may_go, rows["rpn/rpn_conv"].reason) == (0, "excluded")
    assert rows["box_head/box_class"].reason == "reaches the model output 'boxes'"
    assert rows["features/c2"].most["macs"] > 0 and rows["rpn/rpn_conv"].most["macs"] == 0
    cost = pruning.cost(graph.model, SHAPES, plan=_only(graph, "features/c2"))
    assert rows["features/c2"].most["macs"] == pytest.approx(1 - cost.effective.macs / cost.macs)


def _only(graph, name):
    sizes = {group.name: group.size for group in graph.prunable}
    removed = {group: tuple(range(1, size)) if group == name else () for group, size in sizes.items()}
    return pruning.Plan(graph.network.name, graph.fingerprint, sizes, removed, 0.0, 0.0)


def test_it_prints_a_table_and_is_kept_as_json(nets, tmp_path):
    report = pruning.ChannelGraph(nets.plain()).report()
    lines = str(report).splitlines()
    assert lines[0] == "'plain': 2 groups may lose channels, 2 stay whole"
    assert lines[1].split() == ["may", "go", "channels", "at", "most", "filters", "params", "macs", "bytes"]
    assert lines[2].split()[:4] == ["conv0", "6", "5", f"{5 / 14:.1%}"]
    assert lines[4].split()[:3] == ["together", "14", "12"]
    assert lines[-1].split(maxsplit=2) == ["logits", "4", "reaches the model output 'logits'"]
    data = json.loads(report.to_json(tmp_path / "report.json"))
    assert data == json.loads((tmp_path / "report.json").read_text())
    assert data["most"] == pytest.approx(report.most) and data["rows"][1]["group"] == "conv0"
    assert data["input_shapes"] == {"image": [1, 8, 8, 3]}


def test_an_open_size_leaves_out_macs_and_says_so(nets):
    report = pruning.ChannelGraph(nets.fpn()).report()
    assert report.most["macs"] is None and report.input_shapes is None
    assert report.most["params"] == pruning.ChannelGraph(nets.fpn()).report(SHAPES).most["params"]
    assert "MACs are not counted: the size of input 'image' is not fixed" in report.note
    assert report.note == str(report).splitlines()[-1] and "macs" not in str(report).splitlines()[1]


def test_a_model_of_which_nothing_may_go():
    image = keras.Input((4,))
    graph = pruning.ChannelGraph(keras.Model(image, L.Dense(3, name="only")(image), name="whole"))
    report = graph.report()
    assert set(report.most.values()) == {0.0} and not any(row.may_go for row in report.rows)
    assert str(report).startswith("'whole': 0 groups may lose channels, 2 stay whole")
    with pytest.warns(UserWarning, match="the plan takes nothing: .*only"):
        assert pruning.plan(graph, pruning.L1()).removed == {}


def test_weights_in_no_group_have_a_row(nets):
    @keras.saving.register_keras_serializable("test_graph_report")
    class Mixed(L.Layer):
        channel_rule = "lock"

        def build(self, shape):
            self.mix = self.add_weight(shape=(shape[-1], 3), name="mix")

        def call(self, inputs):
            return inputs @ self.mix

    image = keras.Input((5,), name="image")
    x = L.Dense(4, name="first")(image)
    graph = pruning.ChannelGraph(keras.Model(image, L.Dense(2, name="last")(Mixed(name="mixed")(x))))
    row = graph.report().rows[-1]
    assert row.layers == ("mixed",) and row.reason == "no axis of it follows channels (mixed)" and row.may_go == 0
