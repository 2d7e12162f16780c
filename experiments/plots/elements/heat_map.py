"""A map of changes, each written into its cell."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from experiments.plots.elements.style import DIVERGING, INK


def heat_map(axis: Axes, values: np.ndarray, limit: float) -> AxesImage:
    """Draw it; losses and gains of `limit` and beyond have the strongest colours.

    Args:
        axis: to draw on; values: (rows, columns) float, NaN where nothing is known; limit: over 0.
    """
    image = axis.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:+.0f}".replace("-", "−") if abs(value) >= 0.5 else "0"
        axis.text(
            column, row, text, ha="center", va="center", fontsize=8, color="white" if abs(value) > 0.6 * limit else INK
        )
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return image
