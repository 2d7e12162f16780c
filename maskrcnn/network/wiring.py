"""The one Functional network: everything that has weights."""

from __future__ import annotations

import keras

from maskrcnn.network.backbones import backbone
from maskrcnn.network.freezing import freeze_batch_norm
from maskrcnn.network.heads import box_head, mask_head, rpn_head
from maskrcnn.network.pyramid import feature_pyramid
from maskrcnn.regions.roi_align import RoIAlign


def build_features(config) -> keras.Model:
    """Backbone and pyramid: image (B, H, W, 3) to the list P2..P6; H and W multiples of 32."""
    image = keras.Input((None, None, 3), name="features_image")
    maps = backbone(image, config)
    features = keras.Model(image, feature_pyramid(maps, config.fpn_width), name="features")
    for stage_end in maps[: max(0, config.frozen_stages - 1)]:
        keras.Model(image, stage_end).trainable = False
    if not config.batch_norm_trains:
        freeze_batch_norm(features)
    for layer in features.layers:
        if config.frozen_stages and layer.name.startswith(("stem_", "conv1", "Conv1", "bn_Conv1")):
            layer.trainable = False
    return features


def build_network(config) -> keras.Model:
    """Join the four parts into the network that is walked, counted, saved and rebuilt.

    Inputs, by name: image (B, H, W, 3), normalised; rois (B, N, 4) and mask_rois (B, M, 4), float32
    xyxy in pixels of the image. Outputs, by name: for each level l in 2..6 rpn_class_l (B, h, w, A) and
    rpn_bbox_l (B, h, w, 4 A); mrcnn_class_logits (B N, C + 1), mrcnn_bbox (B N, 4 (C + 1)) and mrcnn_mask
    (B M, 28, 28, C + 1). The nested models `features`, `rpn`, `box_head`, `mask_head` and the layers
    `box_roi_align`, `mask_roi_align` are its parts.

    Args:
        config: a MaskRCNNConfig.

    Returns:
        A keras.Model named "network".
    """
    image = keras.Input((None, None, 3), name="image")
    rois = keras.Input((None, 4), name="rois", dtype="float32")
    mask_rois = keras.Input((None, 4), name="mask_rois", dtype="float32")
    levels = build_features(config)(image)
    width = levels[0].shape[-1]
    rpn = rpn_head(width, config)
    outputs = {}
    for number, level in enumerate(levels, start=2):
        outputs[f"rpn_class_{number}"], outputs[f"rpn_bbox_{number}"] = rpn(level)

    def align(size, name):
        return RoIAlign(
            size,
            canonical_size=config.roi_canonical_size,
            sampling_ratio=config.roi_sampling_ratio,
            aligned=config.roi_aligned,
            name=name,
        )

    regions = align(config.box_roi_size, "box_roi_align")([*levels[:4], rois])
    outputs["mrcnn_class_logits"], outputs["mrcnn_bbox"] = box_head(width, config)(regions)
    mask_regions = align(config.mask_roi_size, "mask_roi_align")([*levels[:4], mask_rois])
    outputs["mrcnn_mask"] = mask_head(width, config)(mask_regions)
    inputs = {"image": image, "rois": rois, "mask_rois": mask_rois}
    return keras.Model(inputs, outputs, name="network")
