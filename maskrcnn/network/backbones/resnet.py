"""ResNet-10 to 101 (He et al. 2016; ResNet-10 has one block a stage), in the variants of published detectors.

keras.applications has ResNet V1 with one stride placement, biases and its own epsilon; weights of
other origins need these three to be choices.
"""

from __future__ import annotations

import keras
from keras import layers

BLOCKS = {"resnet10": (1, 1, 1, 1), "resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
BASIC = ("resnet10", "resnet18")  # two 3x3 convolutions a block; the others have bottlenecks
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4  # of a bottleneck
# Scale that a bottleneck's branch begins with. With 1 the stream grows from block to block, the pyramid adds it up, and
# training from nothing diverges at usual rates (Goyal et al. 2017, section 5.1, begin with 0, which gives the branch no
# gradient at first). Basic blocks are few enough to do without.
BRANCH_SCALE = 0.2


def resnet(image, config):
    """Maps at strides 4, 8, 16 and 32 of the ResNet that the config names. See `named_backbone`."""
    make = _Builder(config)
    x = make.conv_norm(image, make.width(64), 7, 2, "stem", relu=True)
    same = config.stem_pool_same
    if not same:
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # after a ReLU, zero stands for minus infinity
    x = layers.MaxPooling2D(3, 2, padding="same" if same else "valid", name="stem_pool")(x)
    block = make.basic if config.backbone in BASIC else make.bottleneck
    maps = []
    for stage, (count, width) in enumerate(zip(BLOCKS[config.backbone], WIDTHS, strict=True), start=2):
        for index in range(count):
            stride = 2 if stage > 2 and index == 0 else 1
            x = block(x, make.width(width), stride, f"res{stage}_{index + 1}")
        maps.append(x)
    if config.backbone_weights:
        keras.Model(image, maps).load_weights(config.backbone_weights)
    return maps


class _Builder:
    """The blocks of one ResNet; symmetric padding throughout, unlike Keras's "same"."""

    def __init__(self, config):
        self.config = config

    def width(self, channels: int) -> int:
        return max(1, round(channels * self.config.backbone_alpha))

    def conv_norm(self, x, filters, size, stride, name, relu=False, scale=1.0):
        if size > 1:
            x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        x = layers.Conv2D(
            filters, size, stride, use_bias=self.config.conv_bias, kernel_initializer="he_normal", name=f"{name}_conv"
        )(x)
        norm = layers.BatchNormalization(
            epsilon=self.config.batch_norm_epsilon,
            momentum=0.9,
            gamma_initializer=keras.initializers.Constant(scale) if scale != 1.0 else "ones",
            name=f"{name}_norm",
        )
        x = norm(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def join(self, x, branch, stride, name):
        """Add the branch to the stream, which is projected where shape or width change."""
        if stride > 1 or x.shape[-1] != branch.shape[-1]:
            x = self.conv_norm(x, branch.shape[-1], 1, stride, f"{name}_shortcut")
        return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([branch, x]))

    def basic(self, x, width, stride, name):
        y = self.conv_norm(x, width, 3, stride, f"{name}_1", relu=True)
        y = self.conv_norm(y, width, 3, 1, f"{name}_2")
        return self.join(x, y, stride, name)

    def bottleneck(self, x, width, stride, name):
        first, second = (stride, 1) if self.config.stride_in_1x1 else (1, stride)
        y = self.conv_norm(x, width, 1, first, f"{name}_1", relu=True)
        y = self.conv_norm(y, width, 3, second, f"{name}_2", relu=True)
        y = self.conv_norm(y, width * EXPANSION, 1, 1, f"{name}_3", scale=BRANCH_SCALE)
        return self.join(x, y, stride, name)
