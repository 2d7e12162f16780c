import keras
import numpy as np
import pytest

from maskrcnn.callbacks import DivergedError, KeepLastGood


class BlowUp(keras.callbacks.Callback):
    """Gives a variable of the mask head no number after so many updates; the first is before a ReLU."""

    def __init__(self, after, which=-1):
        super().__init__()
        self.left, self.which = after, which

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            variable = self.model.network.get_layer("mask_head").trainable_variables[self.which]
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


def compiled(tiny):
    model = tiny()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    return model


def test_a_loss_that_is_no_number_ends_fit_with_the_last_good_state(tiny, pictures):
    model, copy = compiled(tiny), Copy()
    with pytest.raises(DivergedError) as raised:
        model.fit(pictures, batch_size=4, epochs=3, verbose=0, callbacks=[copy, BlowUp(3)])
    sentence = str(raised.value)
    assert sentence.startswith("mrcnn_mask_loss is nan at update 4, learning rate 0.01: the training diverged; lower")
    assert sentence.endswith("the model has the weights of update 2 again.") and "\n" not in sentence
    assert len(copy.states) == 1 and equal(state(model), copy.states[0])
    model.fit(pictures, batch_size=4, epochs=1, verbose=0)  # goes on from there


def test_a_weight_that_is_no_number_ends_fit_before_it_is_saved(tiny, pictures, tmp_path):
    model = compiled(tiny)
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    with pytest.raises(DivergedError, match=r"^a weight of mask_head.*/kernel is nan at update 4, .*of update 2 again"):
        # The last update of the second epoch.
        model.fit(pictures, batch_size=4, epochs=3, verbose=0, callbacks=[KeepLastGood(), BlowUp(4, 0), save])
    assert [path.name for path in tmp_path.iterdir()] == ["1.keras"]


def test_it_is_restored_to_what_the_first_epoch_began_with(tiny, pictures):
    model = compiled(tiny)
    before = model.get_weights()
    with pytest.raises(DivergedError, match="the weights of update 0 again"):
        model.fit(pictures, batch_size=2, verbose=0, callbacks=[BlowUp(1)])
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_a_backup_is_that_of_the_last_whole_epoch(tiny, pictures, tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    model, copy = compiled(tiny), Copy()
    with pytest.raises(DivergedError):
        model.fit(pictures, batch_size=4, epochs=3, verbose=0, callbacks=[backup(), copy, BlowUp(3)])
    whole, again = compiled(tiny), compiled(tiny)
    whole.fit(pictures, batch_size=4, epochs=3, verbose=0)
    again.fit(pictures, batch_size=4, epochs=3, verbose=0, callbacks=[backup()])
    assert equal(state(whole), state(again))


def test_whoever_watches_the_loss_already_is_left_alone(tiny, pictures):
    model = compiled(tiny)
    model.fit(pictures, batch_size=4, verbose=0, callbacks=[BlowUp(1), keras.callbacks.TerminateOnNaN()])
    assert np.isnan(model.network.get_layer("mask_head").trainable_variables[-1].numpy()).all()
    with pytest.raises(DivergedError, match="before the first update: give the model weights that are numbers"):
        model.fit(pictures, batch_size=4, verbose=0, callbacks=[KeepLastGood()])
