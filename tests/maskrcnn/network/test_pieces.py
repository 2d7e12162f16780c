"""The graph of the network is the only wiring: what is edited there trains and detects as edited."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import normalise

LEVELS = (2, 3, 4, 5, 6)


def rejoined(network, levels=lambda x: x, rois=lambda x: x, mask_rois=lambda x: x, mask_regions=lambda x, boxes: x):
    """A second network of the same parts, with something between them."""
    image, boxes, mask_boxes = (
        keras.Input(shape, name=name)
        for name, shape in (("image", (None, None, 3)), ("rois", (None, 4)), ("mask_rois", (None, 4)))
    )
    part = network.get_layer
    maps, outputs = levels(part("features")(image)), {}
    for level, x in zip(LEVELS, maps, strict=True):
        outputs[f"rpn_class_{level}"], outputs[f"rpn_bbox_{level}"] = part("rpn")(x)
    regions = part("box_roi_align")([*maps[:4], rois(boxes)])
    outputs["mrcnn_class_logits"], outputs["mrcnn_bbox"] = part("box_head")(regions)
    mask = part("mask_roi_align")([*maps[:4], mask_rois(mask_boxes)])
    outputs["mrcnn_mask"] = part("mask_head")(mask_regions(mask, regions))
    return keras.Model({"image": image, "rois": boxes, "mask_rois": mask_boxes}, outputs, name="network")


def between(maps):
    """A layer with weights between the pyramid and the heads, shared by all levels."""
    layer = keras.layers.Conv2D(maps[0].shape[-1], 1, kernel_initializer="he_normal", bias_initializer="ones", name="x")
    return [layer(x) for x in maps]


@pytest.fixture
def batch(tiny, pictures):
    return next(iter(maskrcnn.data.batches(pictures, tiny().config, 2, training=False)))


def detections(model, batch):
    return {key: x.numpy() for key, x in model({"image": batch["image"], "image_size": batch["image_size"]}).items()}


def losses(model, batch):
    model.compile(keras.optimizers.SGD(0.0))
    model.reset_metrics()
    return model.test_on_batch(batch, return_dict=True)


def assert_follows_its_network(model, batch):
    """Every answer of the pieces, asked as training and detection do, is one of `network` itself."""
    images, boxes = normalise(batch["image"], batch["image_size"], model.config), batch["boxes"] + [0, 0, 1, 1]
    whole = model.network({"image": images, "rois": boxes, "mask_rois": boxes[:, :2]})
    forward = Forward(model.network, model.config, batch["image"], batch["image_size"])
    for index, level in enumerate(LEVELS):
        np.testing.assert_array_equal(forward.rpn_logits[index], tf.reshape(whole[f"rpn_class_{level}"], (2, -1)))
        np.testing.assert_array_equal(forward.rpn_deltas[index], tf.reshape(whole[f"rpn_bbox_{level}"], (2, -1, 4)))
    logits, deltas = forward.classify(boxes)
    np.testing.assert_array_equal(tf.reshape(logits, (-1, 4)), whole["mrcnn_class_logits"])
    np.testing.assert_array_equal(tf.reshape(deltas, (-1, 16)), whole["mrcnn_bbox"])
    order = [2, 0, 3, 1]  # a flat list of regions in any order, each with its picture
    flat, picture = tf.gather(tf.reshape(boxes[:, :2], (-1, 4)), order), tf.constant([1, 0, 1, 0])
    masks = tf.gather(whole["mrcnn_mask"], order)
    np.testing.assert_allclose(forward.segment(flat, picture), masks, rtol=1e-5, atol=1e-5)


def test_a_layer_between_pyramid_and_heads(tiny, batch):
    model = tiny()
    plain, before = detections(model, batch), losses(model, batch)
    assert_follows_its_network(model, batch)
    edited = maskrcnn.MaskRCNN(model.config, network=rejoined(model.network, levels=between))
    assert_follows_its_network(edited, batch)
    assert np.abs(detections(edited, batch)["boxes"] - plain["boxes"]).max() > 1
    after = losses(edited, batch)
    assert all(abs(after[name] - before[name]) > 1e-4 for name in maskrcnn.losses.NAMES)
    # The first model is as it was, though its layers are in a second graph now.
    np.testing.assert_array_equal(detections(model, batch)["boxes"], plain["boxes"])


def test_a_layer_of_no_effect_changes_nothing(tiny, batch):
    model = tiny()
    same = rejoined(model.network, levels=lambda maps: [keras.layers.Rescaling(1.0)(x) for x in maps])
    same = maskrcnn.MaskRCNN(model.config, network=same)
    for key, value in detections(model, batch).items():
        np.testing.assert_array_equal(detections(same, batch)[key], value)
    assert losses(same, batch) == losses(model, batch)


def test_detections_and_losses_are_those_of_the_edited_graph(tiny, batch):
    """Rescaled logits of the network's own outputs: the masks that are detected and the loss follow to the number."""
    model = tiny()
    part, network = model.network.get_layer, model.network
    outputs = network.output | {"mrcnn_mask": keras.layers.Rescaling(3.0, offset=0.5)(network.output["mrcnn_mask"])}
    edited = maskrcnn.MaskRCNN(model.config, network=keras.Model(network.input, outputs, name="network"))
    plain, found = detections(model, batch), detections(edited, batch)
    np.testing.assert_array_equal(found["boxes"], plain["boxes"])
    unsure = np.abs(plain["mask_probs"] - 0.5) < 0.499
    logit = np.log(plain["mask_probs"][unsure] / (1 - plain["mask_probs"][unsure]))
    np.testing.assert_allclose(found["mask_probs"][unsure], 1 / (1 + np.exp(-3 * logit - 0.5)), atol=1e-4)
    assert unsure.sum() > 1000
    before, after = losses(model, batch), losses(edited, batch)
    moved = [name for name in maskrcnn.losses.NAMES if after[name] != before[name]]
    assert moved == ["mrcnn_mask_loss"]
    assert part("mask_head") is edited.network.get_layer("mask_head")


def test_an_inserted_layer_trains_and_is_saved(tiny, batch, tmp_path):
    model = tiny()
    edited = maskrcnn.MaskRCNN(model.config, network=rejoined(model.network, levels=between))
    edited.compile(keras.optimizers.SGD(0.01))
    before = edited.network.get_layer("x").kernel.numpy()
    edited.train_on_batch(batch)
    assert np.abs(edited.network.get_layer("x").kernel.numpy() - before).max() > 0
    edited.save(tmp_path / "edited.keras")
    again = maskrcnn.load(tmp_path / "edited.keras")
    np.testing.assert_array_equal(detections(again, batch)["boxes"], detections(edited, batch)["boxes"])
    assert_follows_its_network(again, batch)


def test_regions_may_be_edited_too(tiny, batch):
    """Heads that look at a larger piece of the picture than their region."""
    model = tiny()

    def wider(boxes):
        return keras.layers.Rescaling(1.25)(boxes)

    edited = maskrcnn.MaskRCNN(model.config, network=rejoined(model.network, rois=wider, mask_rois=wider))
    assert_follows_its_network(edited, batch)
    np.testing.assert_array_equal(*(Forward(m.network, m.config, batch["image"], batch["image_size"]).proposals()[0]
                                    for m in (model, edited)))  # fmt: skip
    assert np.abs(detections(edited, batch)["boxes"] - detections(model, batch)["boxes"]).max() > 0.1


def test_training_and_inference_reach_the_layers(tiny, batch):
    model = tiny(train_batch_norm=True)
    norm = keras.layers.BatchNormalization(name="norm")
    network = rejoined(model.network, levels=lambda maps: [norm(x) for x in maps])
    edited = maskrcnn.MaskRCNN(model.config, network=network)
    state = norm.moving_mean.numpy()
    edited.task_losses(batch)
    edited({"image": batch["image"], "image_size": batch["image_size"]})
    np.testing.assert_array_equal(norm.moving_mean.numpy(), state)
    edited(dict(batch), training=True)
    assert np.abs(norm.moving_mean.numpy() - state).max() > 0


def test_what_cannot_be_cut_is_named(tiny, batch):
    model = tiny()

    def later(regions, boxes):
        return keras.layers.Add()([regions, keras.layers.UpSampling2D(2)(boxes)])

    crossed = maskrcnn.MaskRCNN(model.config, network=rejoined(model.network, mask_regions=later))
    with pytest.raises(ValueError, match="output mrcnn_mask depends on input rois"):
        detections(crossed, batch)
    outputs = {key: value for key, value in model.network.output.items() if key != "rpn_bbox_3"}
    short = maskrcnn.MaskRCNN(model.config, network=keras.Model(model.network.input, outputs, name="short"))
    with pytest.raises(ValueError, match="'short' has no rpn_bbox_3"):
        detections(short, batch)
