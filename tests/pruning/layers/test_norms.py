"""Norms whose statistics stay what they are when channels go."""

import keras
import pytest

import pruning

L = keras.layers


@pytest.mark.parametrize(("groups", "size"), [(4, 4), (-1, 12), (12, 12), (2, 2)])
@pytest.mark.parametrize("settings", [{}, {"center": False}, {"scale": False}])
def test_groups_that_are_normalised_together(nets, holds, groups, size, settings):
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(12, 3, activation="sigmoid", name="conv")(image)
    x = L.GroupNormalization(groups, name="norm", **settings)(x)
    x = L.Conv2D(5, 1, name="reader")(x)
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.GlobalMaxPooling2D(name="pool")(x))))
    graph = holds(model, expect=["conv", "reader"])
    assert graph["conv"].size == size


def test_one_group_of_all_channels_stays(nets, holds):
    image = keras.Input((8, 8, 3), name="image")
    x = L.GroupNormalization(1, name="norm")(L.Conv2D(12, 3, name="conv")(image))
    x = L.Conv2D(5, 1, name="reader")(x)
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.GlobalMaxPooling2D(name="pool")(x))))
    graph = holds(model, expect=["reader"])
    assert "whose statistics would change" in graph.group_of("conv").locked


def test_channels_first(nets, holds):
    image = keras.Input((3, 10, 11), name="image")
    x = L.Conv2D(12, 3, data_format="channels_first", name="conv")(image)
    x = L.GroupNormalization(6, axis=1, name="norm")(x)
    x = L.GlobalMaxPooling2D(data_format="channels_first", name="pool")(x)
    graph = holds(nets.shake(keras.Model(image, L.Dense(2, name="end")(x))), expect=["conv"])
    assert graph["conv"].size == 6


@pytest.mark.parametrize(
    ("before", "free"),
    [
        (lambda x: L.Dense(8, activation="relu", name="dense")(x), True),
        (lambda x: L.BatchNormalization(name="norm")(L.Dense(8, activation="sigmoid", name="dense")(x)), True),
        (lambda x: L.Dense(8, activation="sigmoid", name="dense")(x), False),
        (lambda x: 1.0 / L.Dense(8, name="dense")(x), False),
    ],
)
def test_a_vector_of_length_one(nets, holds, before, free):
    source = keras.Input((5,), name="source")
    x = L.Dense(6, name="reader")(L.UnitNormalization(name="unit")(before(source)))
    model = nets.shake(keras.Model(source, L.Dense(2, name="end")(x)))
    holds(model, expect=["dense", "reader"] if free else ["reader"])


def test_what_is_summed_over_and_divides_stays(nets, holds):
    source = keras.Input((5,), name="source")
    x = L.Dense(8, name="dense")(source)
    x = L.Concatenate(name="both")([1.0 / x, L.UnitNormalization(name="unit")(x)])
    model = nets.shake(keras.Model(source, L.Dense(2, name="end")(L.Dense(6, name="reader")(x))))
    graph = holds(model, expect=["reader"])
    assert "divides" in graph.group_of("dense").locked


@pytest.mark.parametrize("kind", [L.LayerNormalization, L.RMSNormalization])
def test_a_mean_over_channels_keeps_them(nets, holds, kind):
    source = keras.Input((5,), name="source")
    x = L.Dense(6, name="reader")(kind(name="norm")(L.Dense(8, name="dense")(source)))
    model = nets.shake(keras.Model(source, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=["reader"])
    assert "a mean over channels" in graph.group_of("dense").locked
    assert pruning.cost(model).macs == 5 * 8 + 8 * 6 + 6 * 2
