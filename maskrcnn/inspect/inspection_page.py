"""Writes the page: every stage of one picture in one model or in two, and what a data set says of them."""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from maskrcnn.inspect.activation_maps import Activation, activations
from maskrcnn.inspect.differences import (
    Difference,
    activation_differences,
    stage_differences,
    weight_differences,
)
from maskrcnn.inspect.figures.canvas import pixels, png_of, sized
from maskrcnn.inspect.panels import Panel, activation_panels, stage_panels, truth_panel, weight_panels
from maskrcnn.inspect.picture_stages import Stages, trace
from maskrcnn.inspect.stage_texts import LEADS, TITLES, marks_meaning
from maskrcnn.inspect.weight_shares import LayerWeights, layer_weights


@dataclasses.dataclass(frozen=True)
class Inspection:
    """One model, looked into on one picture.

    Attributes:
        name: of the model, as the page calls it; facts: about it, name -> text.
        stages, activations, weights: see their classes.
    """

    name: str
    facts: Mapping[str, str]
    stages: Stages
    activations: Sequence[Activation]
    weights: Sequence[LayerWeights]


def look_into(
    model: Any,
    image: np.ndarray,
    name: str = "model",
    truth: Any = None,
    layers: Sequence[str] | None = None,
    silenced: Mapping[str, np.ndarray] | None = None,
    score_threshold: float = 0.5,
) -> Inspection:
    """Everything that a page shows of one model.

    Args:
        model: a MaskRCNN.
        image: (H, W, 3) RGB, uint8 or float in [0, 1].
        name: what the page calls the model.
        truth: the picture's Sample, where its objects are known.
        layers: whose activations are shown; those of `telling_layers` if None.
        silenced: layer -> (C,) bool, channels that are known to be pruned.
        score_threshold: only detections above it.

    Raises:
        ValueError: for a picture that cannot be used, objects of another picture, or a layer that is not there.
    """
    weights = layer_weights(model, silenced)
    config = model.config
    facts = {
        "backbone": config.backbone + (f", width x {config.backbone_alpha:g}" if config.backbone_alpha != 1 else ""),
        "weights": f"{sum(int(np.prod(v.shape)) for v in model.network.weights):,}",
        "classes": ", ".join(config.class_names),
    }
    pruned = sum(int(one.pruned.sum()) for one in weights)
    if pruned:
        facts["channels that are 0"] = f"{pruned:,} of {sum(len(one.zero) for one in weights):,}"
    return Inspection(
        name, facts, trace(model, image, truth, score_threshold), activations(model, image, layers, silenced), weights
    )


def write_page(
    folder: str | Path,
    picture: str,
    models: Sequence[Inspection],
    data_panels: Sequence[Sequence[Panel]] = (),
    data_text: str = "",
    credit: str = "",
    progress: Any = iter,
) -> Path:
    """Write `folder/index.html`, with its figures as PNG files beside it.

    Args:
        folder: made if it is not there.
        picture: what to call the picture.
        models: one or two, of the same picture.
        data_panels: of each model, what a data set says (`data_panels.data_panels`).
        data_text: on which data.
        credit: whose picture it is.
        progress: wraps what is gone through, such as `rich.progress.track`.

    Returns:
        the page's path.
    """
    if not 1 <= len(models) <= 2:
        raise ValueError(f"a page shows one model or two, not {len(models)}")
    folder = Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    sections = _sections(models)
    if data_panels:
        data = {"anchor": "data", "number": "", "title": "On the data set", "lead": data_text, "rows": [], "note": ""}
        sections.append(data | {"panels": _side_by_side(data_panels)})
    work = [panel for section in sections for panel in section["panels"]]
    for shown in progress(work):
        for image in shown["images"]:
            if image["panel"].draw is not None:
                image |= _write(folder, image["panel"], image["prefix"])
    template = importlib.resources.files("maskrcnn.inspect").joinpath("inspection.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    names = [model.name for model in models]
    page = environment.from_string(template).render(
        picture=picture, names=names, models=models, sections=sections, credit=credit,
        size=models[0].stages.image.shape[:2],
    )  # fmt: skip
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _sections(models: Sequence[Inspection]) -> list[dict[str, Any]]:
    """The seven stages, each with its panels and what changed."""
    panels = [
        [*stage_panels(one.stages), *activation_panels(one.activations, other.activations)]
        for one, other in zip(models, reversed(models), strict=True)
    ]
    truth = truth_panel(models[0].stages)
    names = tuple(model.name for model in models)
    both = [weight_panels(models[0].weights, models[1].weights, names)] if len(models) > 1 else []  # type: ignore[arg-type]
    weights = both or [weight_panels(models[0].weights)]
    rows = _differences(models)
    found = []
    for stage, title in TITLES.items():
        shown = _side_by_side(weights if stage == 5 else [[p for p in side if p.stage == stage] for side in panels])
        if stage == 7 and truth is not None:
            shown = [*shown[:1], *_side_by_side([[truth]]), *shown[1:]]
        found.append(
            {
                "anchor": f"stage-{stage}",
                "number": stage,
                "title": title,
                "lead": LEADS.get(stage, ""),
                "panels": shown,
                "rows": [_row(row) for row in rows if row.stage == stage],
                "note": marks_meaning([one for model in models for one in model.activations]) if stage == 4 else "",
            }
        )
    return found


def _differences(models: Sequence[Inspection]) -> list[Difference]:
    if len(models) < 2:
        return []
    one, other = models
    return [
        *stage_differences(one.stages, other.stages),
        *activation_differences(one.activations, other.activations),
        *weight_differences(one.weights, other.weights),
    ]


def _side_by_side(sides: Sequence[Sequence[Panel]]) -> list[dict[str, Any]]:
    """Panels of the same name in one figure."""
    others = [{panel.name: panel for panel in side} for side in sides[1:]]
    found = []
    for panel in sides[0]:
        same = [panel, *(side[panel.name] for side in others if panel.name in side)]
        images = [_image(one, f"{number}_" if len(sides) > 1 else "") for number, one in enumerate(same, 1)]
        found.append({"title": panel.title, "caption": panel.caption, "images": images, "wide": panel.wide})
    return found


def _image(panel: Panel, prefix: str) -> dict[str, Any]:
    return {"panel": panel, "prefix": prefix, "source": None, "width": 0, "height": 0, "note": panel.note}


def _write(folder: Path, panel: Panel, prefix: str) -> dict[str, Any]:
    """Draw a panel into its file."""
    assert panel.draw is not None
    drawn = panel.draw()
    shown = sized(drawn) if isinstance(drawn, np.ndarray) else pixels(drawn)
    name = f"{panel.stage}_{prefix}{panel.name}.png".replace("/", "_")
    (folder / "figures" / name).write_bytes(png_of(shown))
    return {"source": f"figures/{name}", "width": shown.shape[1], "height": shown.shape[0]}


def _row(row: Difference) -> dict[str, str]:
    return {
        "what": row.what,
        "first": _figure(row.first),
        "second": _figure(row.second),
        "change": _figure(row.change, signed=row.first is not None),
    }


def _figure(value: float | None, signed: bool = False) -> str:
    if value is None:
        return ""
    if not math.isfinite(value):
        return "–"
    sign = "+" if signed and value > 0 else ""
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
    return (sign + text).replace("-", "−")
