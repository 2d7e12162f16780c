"""On a network of two layers, and once within MaskRCNN.fit, which adds the callback by itself."""

import keras
import numpy as np
import pytest

from maskrcnn.callbacks import DivergedError, KeepLastGood


class BlowUp(keras.callbacks.Callback):
    """Gives a trainable variable no number after so many updates."""

    def __init__(self, after, which=-1):
        super().__init__()
        self.left, self.which = after, which

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            variable = self.model.trainable_variables[self.which]
            variable.assign(np.full(variable.shape, np.nan))


class Copy(keras.callbacks.Callback):
    """Keeps the state at the end of every epoch."""

    def on_train_begin(self, logs=None):
        self.states = []

    def on_epoch_end(self, epoch, logs=None):
        self.states.append(state(self.model))


def state(model):
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


def equal(one, other):
    return len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


def small():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu", name="first"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, epochs, *callbacks):
    """Two updates an epoch."""
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model.fit(
        x, x[:, :1], batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[KeepLastGood(), *callbacks]
    )


def test_a_loss_that_is_no_number_ends_fit_with_the_last_good_state():
    model, copy = small(), Copy()
    with pytest.raises(DivergedError) as raised:
        fit(model, 3, copy, BlowUp(3))
    sentence = str(raised.value)
    assert sentence.startswith("loss is nan at update 4, learning rate 0.01: the training diverged; lower the learning")
    assert sentence.endswith("the model has the weights of update 2 again.") and "\n" not in sentence
    assert len(copy.states) == 1 and equal(state(model), copy.states[0])
    fit(model, 1)  # goes on from there


def test_a_weight_that_is_no_number_ends_fit_before_it_is_saved(tmp_path):
    """The last update of the second epoch, whose losses are numbers."""
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    with pytest.raises(DivergedError, match="^a weight of .*first/kernel is nan at update 4, .*of update 2 again"):
        fit(small(), 3, BlowUp(4, 0), save)
    assert [path.name for path in tmp_path.iterdir()] == ["1.keras"]


def test_a_backup_is_that_of_the_last_whole_epoch(tmp_path):
    whole, broken, again = small(), small(), small()
    with pytest.raises(DivergedError, match="of update 2 again"):
        fit(broken, 3, keras.callbacks.BackupAndRestore(tmp_path), BlowUp(3))
    fit(whole, 3)
    fit(again, 3, keras.callbacks.BackupAndRestore(tmp_path))
    assert equal(state(whole), state(again))


def test_weights_that_are_no_numbers_from_the_start_are_said():
    model = small()
    model.trainable_variables[0].assign(np.full((3, 4), np.inf))
    with pytest.raises(DivergedError, match="first/kernel is inf before the first update: give the model weights"):
        fit(model, 1)


def test_fit_of_a_mask_rcnn_names_the_loss_and_leaves_the_watch_to_whoever_has_it(tiny, pictures):
    model = tiny()
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    (bias,) = (v for v in model.trainable_variables if v.path.endswith("mrcnn_class_logits/bias"))
    which = next(i for i, variable in enumerate(model.trainable_variables) if variable is bias)
    with pytest.raises(DivergedError, match="^mrcnn_class_loss is nan at update 2, .*the weights of update 0 again"):
        model.fit(pictures, batch_size=4, verbose=0, callbacks=[BlowUp(1, which)])
    assert np.isfinite(bias.numpy()).all()
    model.fit(pictures, batch_size=4, verbose=0, callbacks=[BlowUp(1, which), keras.callbacks.TerminateOnNaN()])
    assert np.isnan(bias.numpy()).all()
