"""What a Keras user gives to compile, fit, evaluate and predict: honoured, or refused by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import losses
from maskrcnn.network.forward import Forward
from maskrcnn.training.sampled_answers import training_answers


def compiled(model, optimizer=None, run_eagerly=True, **options):
    """Eager where the graph is not what is tested: tracing a step takes longer than a few of them."""
    model.compile(optimizer or keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=run_eagerly, **options)
    return model


def batch_list(pictures, model, size):
    return list(maskrcnn.data.batches(pictures, model.config, size))


def test_accumulated_batches_make_one_step_of_their_mean_gradient(tiny, pictures):
    model = compiled(tiny(train_batch_norm=False), keras.optimizers.SGD(0.01, gradient_accumulation_steps=2))
    data = batch_list(pictures, model, 2)[:2]
    before = [weight.numpy() for weight in model.trainable_variables]
    gradients = []
    for step, batch in enumerate(data):  # each batch draws samples of its own, as without accumulation
        with tf.GradientTape() as tape:
            forward = Forward(model.network, model.config, batch["image"], batch["image_size"], training=True)
            values = losses.all_losses(training_answers(forward, batch, step), model.config.huber_delta)
            total = tf.add_n(list(values.values()))
        gradients.append(tape.gradient(total, [v.value for v in model.trainable_variables]))
    model.train_on_batch(data[0])
    assert all((weight.numpy() == old).all() for weight, old in zip(model.trainable_variables, before, strict=True))
    assert int(model.step) == 1 and int(model.optimizer.iterations) == 0
    model.train_on_batch(data[1])
    for weight, old, *parts in zip(model.trainable_variables, before, *gradients, strict=True):
        expected = -0.01 * sum(np.asarray(part) for part in parts) / 2
        np.testing.assert_allclose(weight.numpy() - old, expected, rtol=2e-3, atol=2e-6, err_msg=weight.path)


@pytest.mark.slow
def test_fit_accumulates_and_goes_on_to_the_next_order_of_pictures(tiny, pictures):
    model = compiled(tiny(), keras.optimizers.SGD(0.01, gradient_accumulation_steps=2))
    seen = []
    order = maskrcnn.data.Dataset(
        "seen", pictures.class_names, 4, lambda i: seen.append(i) or pictures[i], entries=[pictures.entry(0)] * 4
    )
    history = model.fit(order, batch_size=1, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and int(model.optimizer.iterations) == 4
    assert sorted(seen[:4]) == sorted(seen[4:]) and seen[:4] != seen[4:]


@pytest.mark.slow  # two graphs
def test_several_steps_an_execution_are_the_same_steps(tiny, pictures):
    models = [compiled(tiny(), run_eagerly=False, steps_per_execution=steps) for steps in (1, 3)]
    runs = [model.fit(pictures, batch_size=2, epochs=2, verbose=0).history for model in models]
    for name, values in runs[0].items():
        np.testing.assert_allclose(runs[1][name], values, rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)])
def test_mixed_precision_trains_near_float32(tiny, pictures, policy, tolerance):
    plain = compiled(tiny(), keras.optimizers.SGD(1e-3))
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = compiled(tiny(), keras.optimizers.SGD(1e-3))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.set_weights(plain.get_weights())
    before = [weight.numpy() for weight in model.trainable_variables]
    for batch in batch_list(pictures, model, 4) * 2:
        expected, found = (one.train_on_batch(batch, return_dict=True) for one in (plain, model))
        assert found["loss"] == pytest.approx(expected["loss"], rel=tolerance)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.variables)
    assert any((weight.numpy() != old).any() for weight, old in zip(model.trainable_variables, before, strict=True))


def test_class_weight_weighs_regions_by_their_label(tiny, pictures):
    model = compiled(tiny(train_batch_norm=False), keras.optimizers.SGD(0.0))
    run = dict(batch_size=8, epochs=1, verbose=0, validation_data=pictures)

    def losses_of(**more):
        model.optimizer.iterations.assign(0)  # the same samples
        return {name: values[0] for name, values in model.fit(pictures, **run, **more).history.items()}

    plain, none = losses_of(), losses_of(class_weight={})
    assert plain == none
    background = losses_of(class_weight={1: 0.0, 2: 0.0, 3: 0.0})["mrcnn_class_loss"]
    objects = losses_of(class_weight={0: 0.0})["mrcnn_class_loss"]
    assert background > 0 and objects > 0
    assert background + objects == pytest.approx(plain["mrcnn_class_loss"], rel=1e-5)
    doubled = losses_of(class_weight={0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0})
    assert doubled["mrcnn_class_loss"] == pytest.approx(2 * plain["mrcnn_class_loss"], rel=1e-5)
    changed = {name for name in plain if doubled[name] != pytest.approx(plain[name], rel=1e-5)}
    assert changed == {"loss", "mrcnn_class_loss"}  # validation is not weighted, as in Keras
    with pytest.raises(ValueError, match="no label 4; the labels are 0 'background', 1 'square'"):
        model.fit(pictures, class_weight={4: 1.0})


def test_loss_weights_are_assigned_by_name(tiny, pictures):
    model = compiled(tiny(), loss_weights={"mrcnn_mask_loss": 2.0, "rpn_bbox_loss": 0.0})
    assert {name: float(weight) for name, weight in model.loss_weights.items()} == {
        **dict.fromkeys(losses.NAMES, 1.0), "mrcnn_mask_loss": 2.0, "rpn_bbox_loss": 0.0,
    }  # fmt: skip
    logs = model.evaluate(pictures, batch_size=4, return_dict=True, verbose=0)
    weighted = sum(float(model.loss_weights[name]) * logs[name] for name in losses.NAMES)
    assert logs["loss"] == pytest.approx(weighted, rel=1e-5)
    with pytest.raises(ValueError, match="no loss 'mask'; the five are rpn_class_loss"):
        compiled(model, loss_weights={"mask": 1.0})
    with pytest.raises(ValueError, match="expected a dict"):
        compiled(model, loss_weights=[1.0] * 5)


def test_what_is_not_honoured_is_refused_by_name(tiny, pictures):
    for name in ("metrics", "weighted_metrics"):
        with pytest.raises(ValueError, match=rf"compile\({name}=...\).*callbacks.Evaluate"):
            compiled(tiny(), **{name: ["accuracy"]})
    model = compiled(tiny())
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="sample_weight is not honoured"):
            call(pictures, sample_weight=np.ones(8))
    with pytest.raises(ValueError, match="sample_weight is not honoured"):
        model.train_on_batch(batch_list(pictures, model, 2)[0], sample_weight=np.ones(2, "float32"))


def test_losses_on_held_out_pictures_depend_on_the_weights_alone(tiny, pictures):
    model, pictures = compiled(tiny(), keras.optimizers.SGD(0.01)), pictures.subset(range(4))
    first = model.evaluate(pictures, batch_size=3, return_dict=True, verbose=0)
    assert set(first) == {"loss", *losses.NAMES}
    assert model.evaluate(pictures, batch_size=3, return_dict=True, verbose=0) == first
    listed = model.evaluate(pictures, batch_size=3, verbose=0)
    assert dict(zip(model.metrics_names, listed, strict=True)) == first
    weights = model.get_weights()
    model.fit(pictures, batch_size=2, epochs=1, verbose=0)
    assert model.evaluate(pictures, batch_size=3, return_dict=True, verbose=0) != first
    model.set_weights(weights)
    assert int(model.step) == 2
    assert model.evaluate(pictures, batch_size=3, return_dict=True, verbose=0) == first
    frozen = compiled(tiny(train_batch_norm=False), keras.optimizers.SGD(0.0))
    history = frozen.fit(pictures, batch_size=4, epochs=2, validation_data=pictures, verbose=0).history
    assert history["val_loss"][0] == history["val_loss"][1]
    assert history["mrcnn_class_loss"][0] != history["mrcnn_class_loss"][1]  # training draws anew


def test_a_pictures_held_out_loss_does_not_depend_on_its_batch(tiny, pictures):
    model = compiled(tiny())
    one = [model.evaluate(pictures.subset([i]), batch_size=1, return_dict=True, verbose=0) for i in range(2)]
    both = model.evaluate(pictures.subset([0, 1]), batch_size=2, return_dict=True, verbose=0)
    name = "rpn_class_loss"  # every picture has as many sampled anchors
    assert both[name] == pytest.approx((one[0][name] + one[1][name]) / 2, rel=1e-5)


def test_predict_finds_the_objects_of_datasets_and_lists(tiny, pictures):
    model = tiny(detection_min_score=0.0)
    expected = model.detect([pictures[i].image for i in range(8)], batch_size=3)
    for x in (pictures, [pictures[i].image for i in range(8)]):
        found = model.predict(x, batch_size=3, verbose=0)
        assert [type(one).__name__ for one in found] == ["Detections"] * 8
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
            np.testing.assert_array_equal(one.labels, other.labels)


def test_classes_are_compared_with_the_models(tiny, pictures):
    model = compiled(tiny(class_names=("circle", "square", "triangle")))
    sentences = set()
    for call in (
        lambda: model.fit(pictures, verbose=0),
        lambda: model.fit(batch_list, validation_data=pictures, verbose=0),
        lambda: model.evaluate(pictures, verbose=0),
        lambda: maskrcnn.evaluate(model, pictures),
    ):
        with pytest.raises(ValueError, match="The model's classes are") as raised:
            call()
        sentences.add(str(raised.value))
    (sentence,) = sentences
    assert "('circle', 'square', 'triangle')" in sentence and "('square', 'circle', 'triangle')" in sentence


def test_an_eager_call_without_detections_answers(tiny):
    found = tiny(detection_min_score=1.0)({"image": tf.zeros((2, 64, 64, 3)), "image_size": tf.fill((2, 2), 64.0)})
    assert found["count"].numpy().tolist() == [0, 0] and found["mask_probs"].shape == (0, 28, 28)


def test_an_unreadable_picture_ends_fit_with_its_own_sentence(tiny, pictures):
    def read(index):
        if index == 5:
            raise maskrcnn.data.DataError("photos/5.png: cannot be read (truncated file); replace it.")
        return pictures[index]

    broken = maskrcnn.data.Dataset("broken", pictures.class_names, 8, read, entries=[pictures.entry(0)] * 8)
    model = compiled(tiny(), run_eagerly=False)
    sentence = r"^photos/5.png: cannot be read \(truncated file\); replace it"
    with pytest.raises(maskrcnn.data.DataError, match=sentence) as raised:
        model.fit(broken, batch_size=1, verbose=0)
    assert "\n" not in str(raised.value)
    done = int(model.step)
    assert f"the weights of update {done}, the last before it" in str(raised.value)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.variables)
    with pytest.raises(maskrcnn.data.DataError, match=sentence):
        compiled(tiny()).evaluate(broken, batch_size=4, verbose=0)
