"""Numbers that few bits hold: integer grids of weights, channel by channel."""

from __future__ import annotations

import numpy as np

# Axes of a kernel that count its output channels. A depthwise kernel is (height, width, channels, multiplier).
OUTPUT_AXES = {
    "Conv1D": (-1,),
    "Conv2D": (-1,),
    "Conv2DTranspose": (-2,),
    "Dense": (-1,),
    "DepthwiseConv2D": (-2, -1),
}
_SCALE_BITS = 16


def per_channel(values: np.ndarray, kernel: np.ndarray, kind: str) -> np.ndarray:
    """Values of the output channels, (channels,), in a shape that multiplies a kernel."""
    axes = [axis % kernel.ndim for axis in OUTPUT_AXES[kind]]
    return values.reshape([size if axis in axes else 1 for axis, size in enumerate(kernel.shape)])


def integer_codes(kernel: np.ndarray, axes: tuple[int, ...], bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A kernel as integers times a scale for each channel: symmetric around zero, narrow range.

    The scale has 16 significant bits, so that code times scale is exact in float32, and whoever divides a channel's
    largest weight by 2 ** (bits - 1) - 1 finds the same scale again.

    Args:
        kernel: float32.
        axes: that count channels.
        bits: of a code; codes lie in [1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1].

    Returns:
        codes, int8, of the kernel's shape; scales, float32, of its shape with 1 for all axes but `axes`.
    """
    channels = {axis % kernel.ndim for axis in axes}
    others = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
    most = 2 ** (bits - 1) - 1
    largest = np.abs(kernel.astype(np.float64)).max(axis=others, keepdims=True)
    mantissa, exponent = np.frexp(largest / most)
    scale = np.ldexp(np.round(np.ldexp(mantissa, _SCALE_BITS)), exponent - _SCALE_BITS)
    scale = np.where(scale > 0, scale, 1.0)
    codes = np.clip(np.round(kernel / scale), -most, most)
    return codes.astype(np.int8), scale.astype(np.float32)


def on_integers(kernel: np.ndarray, axes: tuple[int, ...], bits: int = 8) -> np.ndarray:
    """A kernel rounded to the integer grid of `integer_codes`, float32."""
    codes, scale = integer_codes(kernel, axes, bits)
    return codes.astype(np.float32) * scale
