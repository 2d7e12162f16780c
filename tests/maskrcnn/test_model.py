import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import losses


def state(model):
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


def assert_equal(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def fitted(tiny, pictures):
    """A model that has been trained for eight epochs, and what `fit` logged."""
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-3))
    return model, model.fit(pictures, batch_size=4, epochs=8, verbose=0).history


@pytest.fixture(scope="module")
def compiled(tiny):
    """A model that a step leaves as it is."""
    model = tiny()
    model.compile(keras.optimizers.SGD(0.0))
    return model


def test_fit_logs_the_five_losses_and_lowers_them(fitted):
    _, history = fitted
    assert set(history) == {"loss", *losses.NAMES}
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    total = sum(history[name][-1] for name in losses.NAMES)
    np.testing.assert_allclose(history["loss"][-1], total, rtol=1e-4)


def test_file_round_trips_model_optimizer_and_config(fitted, pictures, tmp_path):
    model, _ = fitted
    model.save(tmp_path / "model.keras")
    again = maskrcnn.load(tmp_path / "model.keras")
    assert again.config == model.config
    assert_equal(state(model), state(again))
    found, expected = again.detect(pictures[0].image), model.detect(pictures[0].image)
    for name in ("boxes", "labels", "scores", "masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.slow
def test_training_resumes_exactly_at_the_end_of_an_epoch(tiny, pictures, tmp_path):
    def fresh():
        model = tiny()
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
        return model

    whole = fresh()
    whole.fit(pictures, batch_size=2, epochs=3, augment="flip", verbose=0)
    first = fresh()
    first.fit(pictures, batch_size=2, epochs=1, augment="flip", verbose=0)
    first.save(tmp_path / "half.keras")
    second = maskrcnn.load(tmp_path / "half.keras")
    second.fit(pictures, batch_size=2, epochs=3, initial_epoch=1, augment="flip", verbose=0)
    assert_equal(state(whole), state(second))


class Interrupted(Exception):
    pass


class InterruptAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Interrupted


@pytest.mark.slow
def test_backup_and_restore_resumes_exactly(tiny, pictures, tmp_path):
    def fresh():
        model = tiny()
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
        return model

    whole = fresh()
    whole.fit(pictures, batch_size=4, epochs=3, verbose=0)
    broken = fresh()
    with pytest.raises(Interrupted):
        broken.fit(
            pictures, batch_size=4, epochs=3, verbose=0,
            callbacks=[keras.callbacks.BackupAndRestore(tmp_path), InterruptAt(2)],
        )
    resumed = fresh()
    resumed.fit(pictures, batch_size=4, epochs=3, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)])
    assert_equal(state(whole), state(resumed))


def test_loss_weights_are_variables_of_the_compiled_step(compiled, pictures):
    model = compiled
    batch = next(iter(maskrcnn.data.batches(pictures, model.config, 2)))
    before = model.train_on_batch(batch, return_dict=True)
    try:
        for name in losses.NAMES:
            model.loss_weights[name].assign(0.0)
        model.loss_weights["mrcnn_mask_loss"].assign(2.0)
        model.reset_metrics()
        after = model.train_on_batch(batch, return_dict=True)
    finally:
        for name in losses.NAMES:
            model.loss_weights[name].assign(1.0)
    np.testing.assert_allclose(after["loss"], 2 * after["mrcnn_mask_loss"], rtol=1e-5)
    assert before["loss"] != after["loss"]


@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_mixed_precision_trains_and_detects(tiny, pictures, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = tiny()
        model.compile(keras.optimizers.SGD(0.01))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    history = model.fit(pictures, batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    found = model.detect(pictures[0].image)
    assert found.boxes.dtype == np.float32


def test_pictures_without_objects_and_crowds_train(compiled, pictures):
    model = compiled
    batch = dict(next(iter(maskrcnn.data.batches(pictures, model.config, 2))))
    empty = batch | {"labels": tf.zeros_like(batch["labels"]), "boxes": tf.zeros_like(batch["boxes"])}
    crowded = batch | {"crowd": tf.ones_like(batch["crowd"])}
    for one in (empty, crowded):
        model.reset_metrics()
        logs = model.train_on_batch(one, return_dict=True)
        assert all(np.isfinite(value) for value in logs.values())
        assert logs["mrcnn_mask_loss"] == logs["mrcnn_bbox_loss"] == 0


def test_compile_refuses_a_loss(tiny):
    with pytest.raises(ValueError, match="five losses"):
        tiny().compile("sgd", loss="mse")


def test_frozen_batch_norm_does_not_move(tiny, pictures):
    model = tiny(train_batch_norm=False)
    model.compile(keras.optimizers.SGD(0.01, weight_decay=0.1))
    norms = [v for v in model.network.variables if "_norm/" in v.path]
    before = [v.numpy() for v in norms]
    model.fit(pictures, batch_size=4, epochs=1, verbose=0)
    assert len(norms) > 20
    assert_equal(before, [v.numpy() for v in norms])


@pytest.mark.slow  # XLA compiles for most of a minute
def test_training_under_xla_agrees(tiny, pictures):
    """Empty slots of masks have no weight. All anchors and regions are taken: XLA draws other random numbers."""
    every = dict(rpn_samples=5000, roi_samples=64, roi_positive_fraction=0.5)
    plain, compiled = tiny(**every), tiny(**every)
    plain.compile(keras.optimizers.SGD(0.01, momentum=0.9))  # scores of an untrained network tie to the last digits
    plain.fit(pictures, batch_size=4, epochs=4, verbose=0)
    compiled.set_weights(plain.get_weights())
    plain.compile(keras.optimizers.SGD(0.0))  # steps of so small a network are chaotic
    compiled.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    assert compiled.jit_compile and not plain.jit_compile
    expected, found = (m.fit(pictures, batch_size=4, verbose=0).history for m in (plain, compiled))
    for name in (*losses.NAMES, "loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-5, err_msg=name)
    for model in (plain, compiled):
        model.optimizer.learning_rate.assign(1e-3)
    before = [w.numpy() for w in plain.trainable_variables]
    batch = next(iter(maskrcnn.data.batches(pictures, plain.config, 4, training=False)))
    for model in (plain, compiled):
        model.train_on_batch(batch)
    for old, one, other in zip(before, plain.trainable_variables, compiled.trainable_variables, strict=True):
        step = np.linalg.norm(one - old)
        assert np.linalg.norm(other - one) < 0.02 * step + 1e-6, one.path


def test_training_under_xla_is_refused_where_shapes_depend_on_data(tiny):
    with pytest.raises(ValueError, match="jit_compile=True.*mask_target_sampling_ratio=0"):
        tiny(mask_target_sampling_ratio=0).compile("sgd", jit_compile=True)
    tiny(mask_target_sampling_ratio=0).compile("sgd")


def test_files_of_before_that_hold_static_shapes_are_read(tiny):
    model = tiny()
    old = model.get_config()
    old["config"]["static_shapes"] = False
    for layer in old["network"]["config"]["layers"]:
        if layer["class_name"] == "RoIAlign":
            layer["config"]["static_shapes"] = False
    assert maskrcnn.MaskRCNN.from_config(old).config == model.config
    assert "static_shapes" not in model.config.get_config()
    with pytest.warns(UserWarning, match="static_shapes=True is no longer part of the config"):
        assert tiny(static_shapes=True).config == model.config
