"""Trains tiny models on one device and on two logical CPUs, and prints what came out as JSON.

A program of its own: logical devices are made before TensorFlow begins.
"""

import json
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import TINY  # noqa: E402

import maskrcnn
import pruning


def made(strategy, optimizer, policy="float32", **changes):
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    keras.mixed_precision.set_global_policy(policy)
    with strategy.scope():
        config = maskrcnn.MaskRCNNConfig(
            class_names=("square", "circle", "triangle"), **(TINY | {"train_batch_norm": False} | changes)
        )
        model = maskrcnn.MaskRCNN(config)
        model.compile(optimizer())
    keras.mixed_precision.set_global_policy("float32")
    return model


def trained(strategy, pictures, size, optimizer, held_out=None, **changes):
    model = made(strategy, optimizer, **changes)
    history = model.fit(
        pictures, batch_size=size, epochs=2, augment="flip", validation_data=held_out, verbose=0, class_weight={0: 0.5}
    ).history
    weights = model.get_weights()
    return model, history, weights


def compare(one, other):
    (_, history, weights), (_, also_history, also_weights) = one, other
    return {
        "history": [history, also_history],
        "moved": max(float(np.abs(a - b).max()) for a, b in zip(weights, also_weights, strict=True)),
    }


def sgd():
    return keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-3)


def half_pruned(strategy, pictures):
    model = made(strategy, lambda: pruning.masked(sgd()))
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(model, plan, graph)
    before = {name: gone.tolist() for name, gone in pruning.silent(graph).items()}
    history = model.fit(pictures, batch_size=4, epochs=1, verbose=0).history
    after = {name: gone.tolist() for name, gone in pruning.silent(graph).items()}
    return {"history": history, "held": before == after, "gone": sum(map(sum, before.values()))}


def overflow_on_one_replica(strategy):
    """The weights after a step in which the second replica's gradients overflow, and after one in which none do."""
    model = made(strategy, lambda: keras.optimizers.SGD(0.1), policy="mixed_float16")
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    kernel, seen = model.trainable_variables[0], []

    @tf.function
    def step(overflow):
        def on_replica():
            here = tf.distribute.get_replica_context().replica_id_in_sync_group
            scale = tf.where((here == 1) & overflow, np.inf, model.optimizer.dynamic_scale.value)
            model.optimizer.apply([scale * tf.ones(v.shape) for v in model.trainable_variables])

        strategy.run(on_replica)

    for overflow in (True, False):
        before = keras.ops.convert_to_numpy(kernel)
        step(tf.constant(overflow))
        seen.append(float((keras.ops.convert_to_numpy(kernel) - before).mean()))
    return seen


def main():
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    pictures, held_out = maskrcnn.data.shapes(8, 64, seed=1), maskrcnn.data.shapes(3, 64, seed=2)
    found = {"replicas": two.num_replicas_in_sync}
    if "equal" in sys.argv:
        # Seven pictures in batches of three: two pictures on one replica, one on the other; of the last held-out
        # picture the second replica has nothing.
        seven = pictures.subset(range(7))
        found["equal"] = compare(*(trained(s, seven, 3, sgd, held_out) for s in (one, two)))
    if "masked" in sys.argv:
        found["masked"] = [half_pruned(strategy, pictures) for strategy in (one, two)]
    if "float16" in sys.argv:
        found["float16"] = overflow_on_one_replica(two)
    if "refused" in sys.argv:
        for name, optimizer in (
            ("accumulated", lambda: keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)),
            ("clipped", lambda: keras.optimizers.SGD(0.01, global_clipnorm=1.0)),
        ):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    made(two, optimizer)
                except ValueError as error:
                    found[name] = str(error)
                found.setdefault(name, " ".join(str(one.message) for one in said))
        try:
            made(two, sgd).fit(pictures, batch_size=1, verbose=0)
        except ValueError as error:
            found["too few"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
