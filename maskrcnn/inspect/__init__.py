"""Looking inside a model: every stage of one picture as arrays, figures and a page; a data set's worst pictures."""

from maskrcnn.inspect.activation_maps import Activation, activations, telling_layers
from maskrcnn.inspect.confusion import Confusion, confusion
from maskrcnn.inspect.data_panels import data_panels
from maskrcnn.inspect.data_set_views import PrecisionRecall, Survey, precision_recall, survey, worst_pictures
from maskrcnn.inspect.differences import (
    Difference,
    activation_differences,
    stage_differences,
    weight_differences,
)
from maskrcnn.inspect.figures.object_figures import colour_splash
from maskrcnn.inspect.inspection_page import Inspection, look_into, write_page
from maskrcnn.inspect.panels import Panel, activation_panels, drawn_panels, stage_panels, weight_panels
from maskrcnn.inspect.picture_stages import Stages, Truth, trace
from maskrcnn.inspect.weight_shares import LayerWeights, layer_weights

__all__ = [
    "Activation",
    "Confusion",
    "Difference",
    "Inspection",
    "LayerWeights",
    "Panel",
    "PrecisionRecall",
    "Stages",
    "Survey",
    "Truth",
    "activation_differences",
    "activation_panels",
    "activations",
    "colour_splash",
    "confusion",
    "data_panels",
    "drawn_panels",
    "layer_weights",
    "look_into",
    "precision_recall",
    "stage_differences",
    "stage_panels",
    "survey",
    "telling_layers",
    "trace",
    "weight_differences",
    "weight_panels",
    "worst_pictures",
    "write_page",
]
