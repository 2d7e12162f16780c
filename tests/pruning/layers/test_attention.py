"""Attention: what comes in, heads, values and the output may go; keys stay."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def shaken(nets, source, *outputs):
    ends = [L.Dense(2, name=f"end{n}")(L.GlobalAveragePooling1D(name=f"mean{n}")(x)) for n, x in enumerate(outputs)]
    return nets.shake(keras.Model(source, ends))


@pytest.mark.parametrize("gate", [False, True])
def test_projections_heads_and_values(nets, holds, gate):
    words = keras.Input((5, 3), name="words")
    query, value = L.Dense(8, name="query")(words), L.Dense(6, name="value")(L.ZeroPadding1D(1)(words))
    x = L.MultiHeadAttention(3, 4, value_dim=5, output_shape=9, use_gate=gate, name="attend")(query, value)
    model = shaken(nets, words, L.BatchNormalization(name="norm")(x))
    graph = holds(model, expect=["query", "value", "attend", "attend.heads", "attend.values"])
    projected = 5 * 8 * 3 * (4 + 5 * gate) + 7 * 6 * 3 * (4 + 5) + 5 * 3 * 5 * 9
    assert pruning.cost(model).macs == (5 * 8 + 7 * 6) * 3 + projected + 5 * 7 * 3 * (4 + 5) + 9 * 2
    assert not graph.loose
    for criterion in (pruning.L1(), pruning.GroupL1()):
        assert len(criterion(graph)["attend.heads"]) == 3


def test_a_block_with_a_residual_stream(nets, holds):
    words = keras.Input((6, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    for number in range(2):
        attention = L.MultiHeadAttention(2, 4, name=f"attend{number}")
        x = L.Add(name=f"add{number}")([x, attention(x, x, use_causal_mask=True)])
        x = L.Add(name=f"sum{number}")([x, L.Dense(8, name=f"down{number}")(L.Dense(7, name=f"up{number}")(x))])
    graph = holds(shaken(nets, words, x))
    makers = {member.path for member in graph["stem"].producers}
    assert makers == {"stem", "attend0", "attend1", "down0", "down1"} and len(graph.prunable) == 7


def test_a_query_that_stays_and_an_output_that_goes(nets, holds):
    words = keras.Input((6, 8), name="words")
    model = shaken(nets, words, L.MultiHeadAttention(2, 4, name="attend")(words, words))
    holds(model, expect=["attend", "attend.heads", "attend.values"])


def test_heads_whose_scores_are_seen_stay(nets, holds):
    words = keras.Input((6, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    x, scores = L.MultiHeadAttention(2, 4, name="attend")(x, x, return_attention_scores=True)
    scores = L.Dense(2, name="scores")(L.Flatten(name="flat")(scores))
    x = L.Dense(2, name="end")(L.GlobalAveragePooling1D(name="mean")(x))
    graph = holds(nets.shake(keras.Model(words, [x, scores])), expect=["stem", "attend", "attend.values"])
    assert "gives their scores" in graph["attend.heads"].locked


def test_a_mask_for_each_head(nets, holds):
    words, seen = keras.Input((6, 3), name="words"), np.tril(np.ones((1, 2, 6, 6), bool))
    x = L.MultiHeadAttention(2, 4, name="attend")(x := L.Dense(8, name="stem")(words), x, attention_mask=seen)
    holds(shaken(nets, words, x), expect=["stem", "attend", "attend.values"])


def test_groups_of_query_heads_go_together(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    x = L.GroupQueryAttention(4, 6, 3, name="attend")(x, x)
    model = shaken(nets, words, x)
    graph = holds(model, expect=["stem", "attend.heads"])
    assert graph["attend.heads"].size == 3
    macs = 5 * 8 * 4 * (6 + 3 + 3 + 6) + 5 * 5 * 6 * 8
    assert pruning.cost(model).macs == 5 * 3 * 8 + macs + 8 * 2


@pytest.mark.parametrize(("activation", "free"), [("relu", True), (None, True), ("sigmoid", False)])
@pytest.mark.parametrize("kind", [L.Attention, L.AdditiveAttention])
def test_vectors_whose_masked_channels_are_zero(nets, holds, kind, activation, free):
    words = keras.Input((5, 3), name="words")
    query, key = (L.Dense(8, activation=activation, name=name)(words) for name in ("query", "key"))
    model = shaken(nets, words, kind(name="attend")([query, L.Dense(6, "sigmoid", name="value")(words), key]))
    graph = holds(model, expect=["query", "value"] if free else ["value"])
    assert pruning.cost(model).macs == 5 * 3 * (8 + 8 + 6) + 25 * (8 + 6) + 6 * 2
    assert sorted(m.path for m in graph.group_of("query").producers) == ["key", "query"]


def test_self_attention_of_vectors(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    x, scores = L.Attention(use_scale=True, score_mode="concat", name="attend")([x, x], return_attention_scores=True)
    holds(shaken(nets, words, x, scores), expect=["stem"])


def test_quantised_projections_stay_whole(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    x = L.Dense(6, name="free")(L.MultiHeadAttention(2, 4, name="attend")(x, x))
    model = shaken(nets, words, x)
    model.get_layer("attend").query_dense.quantize("int8")
    with pytest.warns(UserWarning, match=r"'attend' \(MultiHeadAttention\): quantised: prune first"):
        graph = pruning.ChannelGraph(model)  # Keras makes no such layer again from its config
    assert [group.name for group in graph.prunable] == ["free"]


@pytest.mark.parametrize(
    ("equation", "shape", "axes", "reader", "expect"),
    [
        ("...x,xy->...y", 6, "y", "abc,cd->abd", {"stem", "project"}),
        ("abc,cd->abd", (5, 6), "d", "abc,cd->abd", {"stem", "project"}),
        ("abc,cde->abde", (5, 4, 6), "de", "abde,def->abf", {"stem", "project.d", "project.e"}),
        ("abc,cde->aebd", (6, 5, 4), "e", "aebd,edf->abf", {"stem", "project.d", "project.e"}),
        ("ab...,bc->ac...", (4,), None, "acd,cdf->af", {"stem", "project"}),
        ("abc,bcd->abd", (5, 6), "d", "abd,df->abf", {"stem", "project"}),
        ("abc,c->abc", (5, 8), "c", "...c,cd->...d", {"stem"}),
        ("abc,bd->ad", (6,), "d", "ac,cd->ad", {"project"}),
    ],
)
def test_projections_by_equation(nets, holds, equation, shape, axes, reader, expect):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(8, name="stem")(words)
    x = L.EinsumDense(equation, shape, bias_axes=axes, activation="relu", name="project")(x)
    x = L.EinsumDense(reader, 7 if len(reader.split("->")[1]) != 3 else (5, 7), name="reader")(x)
    x = L.BatchNormalization(name="norm")(x)
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    graph = holds(model, expect={"reader"} | expect)
    assert len(pruning.GroupL1()(graph)) == len(graph.prunable) and not pruning.cost(model).uncounted


def test_a_batch_norm_behind_heads_is_folded_where_it_scales(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.EinsumDense("abc,cde->abde", (5, 4, 6), name="project")(words)
    x = L.EinsumDense("abde,def->af", 7, name="reader")(L.BatchNormalization(name="norm")(x))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=["project.e", "reader"])
    (kernel,) = (kernel for kernel in graph.kernels if kernel.call.path == "project")
    assert kernel.scale_shape == (1, 1, -1)
    assert "batch norm over axis" in next(g.locked for g in graph.groups if g.name == "project.d")


def test_macs_and_lora_of_a_projection(nets, holds):
    words = keras.Input((5, 3), name="words")
    project = L.EinsumDense("abc,cde->abde", (None, 4, 6), bias_axes="de", name="project")
    x = L.EinsumDense("abde,def->af", 7, name="sum")(project(L.Dense(8, name="stem")(words)))
    model = keras.Model(words, L.Dense(2, name="end")(x))
    assert pruning.cost(model).macs == 5 * 3 * 8 + 5 * 8 * 4 * 6 + 5 * 4 * 6 * 7 + 7 * 2
    project.enable_lora(2)
    holds(nets.shake(model), expect=["stem", "project.d", "project.e", "sum"])
