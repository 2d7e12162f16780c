import warnings

import keras
import numpy as np
import pytest

import maskrcnn
from maskrcnn.callbacks import Evaluate
from maskrcnn.evaluation import MEASURES


def compiled(tiny, **options):
    model = tiny()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), **options)
    return model


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


def test_epochs_without_a_measurement_repeat_the_last(tiny, pictures):
    script = Script(0.1, 0.3, 0.2, 0.4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras finds what it monitors in every epoch
        history = compiled(tiny).fit(
            pictures.subset(range(2)), epochs=7, verbose=0,
            callbacks=[Evaluate(script, every=3), keras.callbacks.EarlyStopping("val_bbox_ap", mode="max", patience=9)],
        ).history  # fmt: skip
    assert history["val_bbox_ap"] == [0.1, 0.1, 0.3, 0.3, 0.3, 0.2, 0.4]


def test_keras_stops_and_saves_by_ap(tiny, pictures, tmp_path):
    model = compiled(tiny)
    history = model.fit(
        pictures.subset(range(2)), epochs=6, verbose=0,
        callbacks=[
            Evaluate(Script(0.1, 0.5, 0.4, 0.3, 0.9)),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best-{epoch}.keras", monitor="val_bbox_ap", mode="max", save_best_only=True
            ),
            keras.callbacks.EarlyStopping("val_bbox_ap", mode="max", patience=2),
        ],
    ).history  # fmt: skip
    assert history["val_bbox_ap"] == [0.1, 0.5, 0.4, 0.3]
    assert {path.name for path in tmp_path.iterdir()} == {"best-1.keras", "best-2.keras"}


def test_it_counts_updates_where_that_is_asked(tiny, pictures):
    script, reported = Script(0.1, 0.2, 0.3, 0.4), []
    history = compiled(tiny, steps_per_execution=2).fit(
        pictures, batch_size=1, epochs=1, verbose=0,
        callbacks=[Evaluate(script, every=3, unit="update", report=lambda *seen: reported.append(seen))],
    ).history  # fmt: skip
    assert reported == [(4, {"bbox": {"ap": 0.1}}), (6, {"bbox": {"ap": 0.2}})]
    assert history["val_bbox_ap"] == [0.2]


def test_arguments_are_checked(tiny, pictures):
    with pytest.raises(ValueError, match="every=0"):
        Evaluate(pictures, every=0)
    with pytest.raises(ValueError, match="unit='step': expected 'epoch' or 'update'"):
        Evaluate(pictures, unit="step")
    other = maskrcnn.data.Dataset("other", ("a", "b"), 1, lambda index: pictures[0])
    with pytest.raises(ValueError, match="The model's classes are"):
        compiled(tiny).fit(pictures, batch_size=4, verbose=0, callbacks=[Evaluate(other)])
