"""Functional models whose class builds them, whatever their get_config says: read, masked, removed."""

import warnings

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


class Backbone(keras.Model):
    """Builds its own layers, as the models of keras-hub do."""

    def __init__(self, width=8, **kwargs):
        image = keras.Input((16, 16, 3), name="pixels")
        x = L.Conv2D(width, 3, activation="relu", name="stem")(image)
        super().__init__(image, L.Conv2D(width, 3, name="deeper")(x), **kwargs)
        self.width = width

    def get_config(self):
        return {"width": self.width, "name": self.name}


class Adds:
    """Sets an argument, and passes on whatever it is given."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("width", 6)
        super().__init__(*args, **kwargs)


class Mixed(Adds, Backbone):
    """Its own constructor tells nothing; that of Backbone does."""


class Task(keras.Model):
    """Takes a nested model of that kind, and owns a weight and a loss."""

    def __init__(self, backbone, classes=3, **kwargs):
        image = keras.Input((16, 16, 3), name="pixels")
        x = L.GlobalAveragePooling2D(name="pool")(backbone(image))
        super().__init__(inputs=image, outputs=L.Dense(classes, name="logits")(x), **kwargs)
        self.backbone = backbone
        self.temperature = self.add_weight(name="temperature")

    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


class Stepping(keras.Model):
    """Given its inputs and outputs, with a setting of its own."""

    def __init__(self, inputs, outputs, rate=0.1, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.rate = rate

    def get_config(self):
        return {"rate": self.rate}


def halved(model, nets):
    model = nets.shake(model)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    x = nets.inputs(model, count=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        masked, small = pruning.mask(model, plan), pruning.remove(model, plan)
    assert nets.difference(small(x), masked(x)) < 1e-5
    assert small.count_params() < model.count_params()
    return small, [str(warning.message) for warning in caught]


def test_a_class_that_builds_itself_comes_back_plain_and_says_so(nets):
    small, said = halved(Backbone(name="own"), nets)
    assert type(small) is type(keras.Model(small.inputs, small.outputs)) and small.name == "own"
    assert len(said) == 2 and all("'own': Backbone builds its layers itself" in text for text in said)
    assert small.get_layer("stem").filters == 4


def test_a_constructor_that_passes_on_what_it_is_given(nets):
    small, said = halved(Mixed(name="mixed"), nets)
    assert type(small) is type(keras.Model(small.inputs, small.outputs)) and small.get_layer("stem").filters == 3
    assert len(said) == 2 and all("'mixed': Mixed builds its layers itself" in text for text in said)


def test_a_nested_one_and_what_is_lost(nets, tmp_path):
    small, said = halved(Task(Backbone(name="body"), name="task"), nets)
    assert small.get_layer("body").get_layer("stem").filters == 4
    for text in ("'body': Backbone builds", "'task': Task builds", "without its own compute_loss", "temperature"):
        assert text in said[-1]
    small.save(tmp_path / "small.keras")
    x = np.ones((1, 16, 16, 3), "float32")
    assert nets.difference(keras.models.load_model(tmp_path / "small.keras")(x), small(x)) == 0


def test_a_class_that_takes_inputs_and_outputs_is_kept(nets):
    plain = nets.plain()
    small, said = halved(Stepping(plain.inputs, plain.outputs, rate=0.3, name="stepping"), nets)
    assert type(small) is Stepping and small.rate == 0.3 and not said


def test_own_weights_are_carried_where_the_class_makes_them(nets):
    class Weighted(keras.Model):
        def __init__(self, inputs, outputs, **kwargs):
            super().__init__(inputs, outputs, **kwargs)
            self.factor = self.add_weight(shape=(2,), name="factor")

    plain = nets.plain()
    model = Weighted(plain.inputs, plain.outputs)
    small, said = halved(model, nets)
    assert not said and np.asarray(small.factor).tolist() == np.asarray(model.factor).tolist()


def test_individually_frozen_weights_stay_frozen(nets):
    model = nets.plain()
    model.get_layer("conv0").kernel.trainable = False
    small, _ = halved(model, nets)
    assert [v.path for v in small.trainable_variables] == [v.path for v in model.trainable_variables]


@pytest.mark.parametrize("with_input", [True, False])
def test_a_sequential_class_of_ones_own(nets, with_input):
    class Stack(keras.Sequential):
        def __init__(self, width=8, **kwargs):
            layers = [L.Conv2D(width, 3, name="first"), L.Flatten(name="flat"), L.Dense(2, name="end")]
            super().__init__([keras.Input((8, 8, 3)), *layers] if with_input else layers, **kwargs)

    model = Stack(name="mine")
    model.build((None, 8, 8, 3))
    small, said = halved(model, nets)
    assert type(small) is keras.Sequential and small.get_layer("first").filters == 4
    assert "a plain keras.Sequential" in said[0]


def test_what_a_plain_model_cannot_be_compiled_with_is_named(nets):
    class Own(Task):
        def compile(self, optimizer, loss, gain=1.0, **kwargs):
            super().compile(optimizer, loss, **kwargs)
            self._compile_config.config["gain"] = gain

    model = nets.shake(Own(Backbone(name="body"), name="task"))
    model.compile(keras.optimizers.SGD(0.01), "mse", gain=2.0)
    model.optimizer.build(model.trainable_variables)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    with pytest.warns(UserWarning) as caught:
        small = pruning.remove(model, plan)
    said = " ".join(str(warning.message) for warning in caught)
    assert "gain" in said and "starts anew" in said and small.loss == "mse"
    small.fit(nets.inputs(small, count=2), np.zeros((2, 3), "float32"), verbose=0)
