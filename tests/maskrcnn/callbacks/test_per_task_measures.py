import warnings

import keras
import numpy as np
import pytest

import maskrcnn
from maskrcnn.callbacks import Evaluate
from maskrcnn.evaluation import MEASURES


def compiled(tiny):
    model = tiny()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    return model


def fit(*callbacks, epochs=1, **options):
    """The history of a network of one layer, four batches an epoch: what is measured is made up."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", **options)
    x = np.ones((8, 2), "float32")
    return model.fit(x, x[:, 0], batch_size=2, epochs=epochs, verbose=0, callbacks=list(callbacks)).history


def test_measures_of_every_task_are_in_the_logs_as_maskrcnn_evaluate_gives_them(tiny, pictures):
    model, held_out = compiled(tiny), maskrcnn.data.shapes(3, 64, seed=2)
    history = model.fit(pictures, batch_size=4, epochs=1, verbose=0, callbacks=[Evaluate(held_out)]).history
    found = {name.removeprefix("val_"): values[0] for name, values in history.items() if name.startswith("val_")}
    assert set(found) == {column for column in MEASURES if "tide" not in column}
    expected = maskrcnn.evaluation.columns(maskrcnn.evaluate(model, held_out, progress=False, tide=False))
    np.testing.assert_equal(found, expected)


class Script:
    """Measures made up: the box AP of the first look, the second, ..."""

    def __init__(self, *values):
        self.values, self.looks = list(values), 0

    def __call__(self, model):
        self.looks += 1
        return {"bbox": {"ap": self.values[self.looks - 1]}}


def test_epochs_without_a_measurement_repeat_the_last():
    look = Evaluate(Script(0.1, 0.3, 0.2, 0.4), every=3)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Early stopping")  # Keras finds what it monitors in every epoch
        history = fit(look, keras.callbacks.EarlyStopping("val_bbox_ap", mode="max", patience=9), epochs=7)
    assert history["val_bbox_ap"] == [0.1, 0.1, 0.3, 0.3, 0.3, 0.2, 0.4]


def test_keras_stops_and_saves_by_ap(tmp_path):
    path = tmp_path / "best-{epoch}.keras"
    history = fit(
        Evaluate(Script(0.1, 0.5, 0.4, 0.3, 0.9)),
        keras.callbacks.ModelCheckpoint(path, monitor="val_bbox_ap", mode="max", save_best_only=True),
        keras.callbacks.EarlyStopping("val_bbox_ap", mode="max", patience=2),
        epochs=6,
    )
    assert history["val_bbox_ap"] == [0.1, 0.5, 0.4, 0.3]
    assert {path.name for path in tmp_path.iterdir()} == {"best-1.keras", "best-2.keras"}


def test_it_counts_updates_where_that_is_asked():
    reported = []
    look = Evaluate(Script(0.1, 0.2, 0.3), every=3, unit="update", report=lambda *seen: reported.append(seen))
    history = fit(look, epochs=2, steps_per_execution=2)
    assert reported == [(4, {"bbox": {"ap": 0.1}}), (6, {"bbox": {"ap": 0.2}})]
    assert history["val_bbox_ap"] == [0.1, 0.2]


def test_arguments_are_checked(tiny, pictures):
    with pytest.raises(ValueError, match="every=0"):
        Evaluate(pictures, every=0)
    with pytest.raises(ValueError, match="unit='step': expected 'epoch' or 'update'"):
        Evaluate(pictures, unit="step")
    other = maskrcnn.data.Dataset("other", ("a", "b"), 1, lambda index: pictures[0])
    with pytest.raises(ValueError, match="The model's classes are"):
        compiled(tiny).fit(pictures, batch_size=4, verbose=0, callbacks=[Evaluate(other)])
