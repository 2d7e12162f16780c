import numpy as np
import pytest

import maskrcnn
from maskrcnn.network import leaf_layers
from maskrcnn.weights import load_keras


def values(model):
    return {f"{layer.name}/{v.name}": np.array(v) for layer in leaf_layers(model.network) for v in layer.variables}


LAYERS = ("mrcnn_class_logits", "mrcnn_bbox", "mrcnn_mask")
OF_CLASSES = {f"{layer}/{leaf}" for layer in LAYERS for leaf in ("kernel", "bias")}


def test_layers_of_the_classes_are_left_out_by_name(tiny, tmp_path):
    source, model = tiny(), tiny(class_names=("fig",))
    for variable in source.network.variables:
        variable.assign(variable + 0.25)
    before = values(model)
    source.save(tmp_path / "other.keras")
    report = load_keras(model, tmp_path / "other.keras", classes="skip")
    after, theirs = values(model), values(source)
    assert set(report.skipped) == OF_CLASSES and not report.unused and not report.missing
    for key in after:
        np.testing.assert_array_equal(after[key], before[key] if key in OF_CLASSES else theirs[key])
    assert "mrcnn_bbox/kernel: depends on the classes" in str(report)


def test_the_same_classes_are_loaded_whole(tiny):
    source, model = tiny(), tiny()
    for variable in source.network.variables:
        variable.assign(variable * 2 + 1)
    assert not load_keras(model, source).missing
    assert all(np.array_equal(value, values(source)[key]) for key, value in values(model).items())


def test_norms_with_loaded_statistics_are_frozen_unless_the_config_says_otherwise(tiny):
    frozen, trained = tiny(train_batch_norm=None), tiny(train_batch_norm=True)
    for model in (frozen, trained):
        load_keras(model, tiny())
    norms = [[one for one in leaf_layers(m.network) if one.name.endswith("_norm")] for m in (frozen, trained)]
    assert norms[0] and not any(one.trainable for one in norms[0]) and all(one.trainable for one in norms[1])


def test_other_classes_other_widths_and_other_files_are_named(tiny, tmp_path):
    model = tiny(class_names=("fig",))
    before = values(model)
    with pytest.raises(ValueError, match=r"square.*fig.*classes='skip'"):
        load_keras(model, tiny())
    with pytest.raises(ValueError, match=r"shape .* does not fit .*: give the config the widths"):
        load_keras(model, tiny(backbone_alpha=0.25), classes="skip")
    with pytest.raises(ValueError, match="expected 'load' or 'skip'"):
        load_keras(model, tiny(), classes="all")
    with pytest.raises(ValueError, match="expected a MaskRCNN"):
        load_keras(model, model.network)
    assert all(np.array_equal(value, before[key]) for key, value in values(model).items())
    assert maskrcnn.weights.load_keras is load_keras
