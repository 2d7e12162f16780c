import keras
import numpy as np
import pytest

import maskrcnn
import pruning
from maskrcnn.network import leaf_layers

STAGES = {"heads": (), "4+": ("res4", "res5")}
HEADS = ("fpn_", "rpn_", "box_", "mask_", "mrcnn_")


def values(model):
    return {v.path: v.numpy() for v in model.network.variables}


def changed(before, after):
    return {path for path, value in before.items() if not np.array_equal(value, after[path])}


def flags(model):
    return [(layer.name, layer.trainable) for layer in leaf_layers(model.network)]


@pytest.mark.parametrize("train", [pytest.param("heads", marks=pytest.mark.slow), "4+"])
def test_exactly_what_is_named_trains(tiny, pictures, train):
    model = tiny()
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.1))
    before, were = values(model), flags(model)
    model.fit(pictures, batch_size=2, steps_per_epoch=1, verbose=0, train=train)
    expected = {path for path in before if path.startswith(HEADS + STAGES[train])}
    assert changed(before, values(model)) == expected
    assert flags(model) == were
    assert len(model.optimizer._trainable_variables) == len(model.trainable_variables)


@pytest.mark.slow
def test_one_call_after_another_compiles_where_it_must(tiny, pictures):
    model = tiny(frozen_stages=1)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    moved, functions = [], []
    for train in ("heads", "heads", "all", "5+"):
        before = values(model)
        model.fit(pictures, batch_size=2, steps_per_epoch=1, verbose=0, train=train)
        moved.append({path[:4] for path in changed(before, values(model))})
        functions.append(model.train_function)
    heads = {"fpn_", "rpn_", "box_", "mask", "mrcn"}
    assert moved == [heads, heads, heads | {"res2", "res3", "res4", "res5"}, heads | {"res5"}]  # the stem stays frozen
    assert functions[0] is functions[1] and len(set(map(id, functions))) == 3


def test_layers_are_as_they_were_after_an_error(tiny, pictures):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise InterruptedError

    model = tiny()
    model.compile("sgd")
    were = flags(model)
    with pytest.raises(InterruptedError):
        model.fit(pictures, batch_size=4, verbose=0, train="heads", callbacks=[Stop()])
    assert flags(model) == were
    with pytest.raises(ValueError, match="train='head': expected one of 'heads', '3\\+'"):
        model.fit(pictures, train="head")


@pytest.mark.slow
def test_any_backbone_has_stages_also_pruned_and_read_again(tiny, pictures, tmp_path):
    model = tiny(backbone="mobilenet", backbone_alpha=0.25)
    graph = pruning.ChannelGraph(model)
    small = pruning.remove(model, pruning.plan(graph, pruning.L1()(graph), sparsity=0.3))
    small.save(tmp_path / "small.keras")
    again = maskrcnn.load(tmp_path / "small.keras")
    again.compile(keras.optimizers.Adam(1e-3))
    before = values(again)
    again.fit(pictures, batch_size=2, steps_per_epoch=1, verbose=0, train="5+")
    backbone = {path.split("/")[0] for path in changed(before, values(again)) if not path.startswith(HEADS)}
    assert backbone == {f"conv_{kind}_{i}{norm}" for kind in ("dw", "pw") for i in (12, 13) for norm in ("", "_bn")}
