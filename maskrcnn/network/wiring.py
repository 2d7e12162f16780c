"""The one Functional network: everything that has weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import keras

from maskrcnn.network.backbones import given_backbone, named_backbone
from maskrcnn.network.freezing import freeze_batch_norm, leaf_layers
from maskrcnn.network.heads import box_head, mask_head, rpn_head
from maskrcnn.network.pyramid import feature_pyramid
from maskrcnn.regions.roi_align import RoIAlign


def build_features(config, backbone=None, maps=()) -> keras.Model:
    """Backbone and pyramid: image (B, H, W, 3) to the list P2..P6; H and W multiples of 32."""
    if backbone is None:
        image = keras.Input((None, None, 3), name="features_image")
        maps = named_backbone(image, config)
    else:
        image, maps = given_backbone(backbone, maps)
    features = keras.Model(image, feature_pyramid(maps, config.fpn_width), name="features")
    # A backbone that is given comes as its user wants it, with weights or without.
    if not (config.batch_norm_trains if backbone is None else config.train_batch_norm is not False):
        freeze_batch_norm(features)
    if backbone is not None and config.frozen_stages == 1:
        raise ValueError("frozen_stages=1: the stem of a backbone of your own is not known; freeze its layers yourself")
    for stage_end in maps[: max(0, config.frozen_stages - 1)]:
        keras.Model(image, stage_end).trainable = False
    for layer in features.layers:
        if backbone is None and config.frozen_stages and layer.name.startswith(("stem_", "conv1", "Conv1", "bn_Conv1")):
            layer.trainable = False
    return features


def build_network(config, backbone: keras.Model | None = None, maps: Sequence[str] = ()) -> keras.Model:
    """Join the four parts into the network that is walked, counted, saved and rebuilt.

    Inputs, by name: image (B, H, W, 3), normalised; rois (B, N, 4) and mask_rois (B, M, 4), float32
    xyxy in pixels of the image. Outputs, by name: for each level l in 2..6 rpn_class_l (B, h, w, A) and
    rpn_bbox_l (B, h, w, 4 A); mrcnn_class_logits (B N, C + 1), mrcnn_bbox (B N, 4 (C + 1)) and mrcnn_mask
    (B M, 28, 28, C + 1). The nested models `features`, `rpn`, `box_head`, `mask_head` and the layers
    `box_roi_align`, `mask_roi_align` are its parts.

    ```python
    config = MaskRCNNConfig(class_names=("balloon",), pixel_mean=(0.5, 0.5, 0.5), pixel_std=(0.5, 0.5, 0.5))
    resnet = keras.applications.ResNet50V2(include_top=False, input_shape=(None, None, 3), weights=None)
    maps = ("conv2_block2_out", "conv3_block3_out", "conv4_block5_out", "post_relu")
    model = MaskRCNN(config, network=maskrcnn.build_network(config, resnet, maps))
    ```

    Args:
        config: a MaskRCNNConfig.
        backbone: a Functional Keras model of your own instead of the one that the config names: pictures (B, H, W, 3)
            to maps. Its layers become the network's, weights and trainable flags as they are; `train_batch_norm=False`
            freezes its batch norm. It reads pictures with the config's `pixel_mean` taken off, over its `pixel_std`.
        maps: with `backbone`, the names of its layers whose outputs have strides 4, 8, 16 and 32.

    Returns:
        A keras.Model named "network".

    Raises:
        ValueError: a backbone that cannot be read, maps of other strides, or a layer's name that the network has too.
    """
    if backbone is None and maps:
        raise ValueError(f"maps={maps!r} are layers of a backbone: give that as well")
    image = keras.Input((None, None, 3), name="image")
    rois = keras.Input((None, 4), name="rois", dtype="float32")
    mask_rois = keras.Input((None, 4), name="mask_rois", dtype="float32")
    levels = build_features(config, backbone, maps)(image)
    width = levels[0].shape[-1]
    rpn = rpn_head(width, len(config.anchor_ratios), config.rpn_width)
    outputs = {}
    for number, level in enumerate(levels, start=2):
        outputs[f"rpn_class_{number}"], outputs[f"rpn_bbox_{number}"] = rpn(level)

    def align(size, name):
        return RoIAlign(
            size,
            canonical_size=config.roi_canonical_size,
            sampling_ratio=config.roi_sampling_ratio,
            aligned=config.roi_aligned,
            corners=config.roi_corners,
            nearest=config.roi_level_nearest,
            name=name,
        )

    regions = align(config.box_roi_size, "box_roi_align")([*levels[:4], rois])
    norm = config.batch_norm_epsilon if config.head_norm else None
    head = box_head(width, config.box_roi_size, config.num_classes, config.box_head_widths, norm=norm)
    outputs["mrcnn_class_logits"], outputs["mrcnn_bbox"] = head(regions)
    mask_regions = align(config.mask_roi_size, "mask_roi_align")([*levels[:4], mask_rois])
    mask = mask_head(
        width, config.mask_roi_size, config.num_classes, config.mask_head_widths, config.mask_deconv_width, norm=norm
    )
    outputs["mrcnn_mask"] = mask(mask_regions)
    if config.train_batch_norm is False:
        freeze_batch_norm(head)
        freeze_batch_norm(mask)
    inputs = {"image": image, "rois": rois, "mask_rois": mask_rois}
    network = keras.Model(inputs, outputs, name="network")
    _refuse_shared_names(network)
    return network


def _refuse_shared_names(network) -> None:
    """Layers are found by name: when weights are loaded, parts frozen, channels pruned."""
    names = Counter(layer.name for layer in leaf_layers(network))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        found = ", ".join(map(repr, twice))
        raise ValueError(f"two layers each are called {found}: rename those of the backbone, the others are needed")
