"""See what annotated pictures hold before training on them: taskprune data my/photos

Counts pictures, objects and classes, lists what needs a look, draws annotations as they are read, and suggests a
picture size and anchors, as lines for a recipe. Writes a page, index.html, into the folder of --output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import tyro
import yaml

from experiments.errors import UserError
from experiments.settings.flags import read_flags
from experiments.settings.places import find_data
from experiments.settings.recipe import Count, Settings

if TYPE_CHECKING:
    import maskrcnn
    from experiments.report.illustrated import Section
    from maskrcnn.data.survey import Overview, Suggestion

SPLIT_TITLES = {"train": "to train on", "tune": "to choose on", "test": "to test on", "": "of one set"}


class Survey(Settings):
    """Which pictures, and where to write."""

    pictures: tyro.conf.Positional[str]
    """a folder as a tool exports it, or a file of annotations."""
    kind: Literal["auto", "via", "coco", "labelme", "masks", "cvat"] = "auto"
    """format of the annotations; auto: found out."""
    images: str | None = None
    """coco, cvat: the folder of the pictures, where they lie elsewhere."""
    class_name: str | None = None
    """via: the one class of files without a class; masks: the class of all objects."""
    class_attribute: str | None = None
    """via: the region attribute that holds the class."""
    output: str = "data_survey"
    """folder to write into."""
    show: Count = 12
    """pictures to draw."""


def survey(settings: Survey) -> tuple[dict[str, Overview], Suggestion, list[str], Path]:
    """Look through annotated pictures, and write the page.

    Args:
        settings: which pictures, and where to write.

    Returns:
        what each split holds; what suits the training split; sentences on what needs a look; the page's path.

    Raises:
        UserError: the pictures cannot be read, or hold no object.
    """
    from rich.progress import track

    from experiments.runs.run_folder import write_text
    from maskrcnn.data import load
    from maskrcnn.data.layouts import annotations_in
    from maskrcnn.data.survey import overview, suggest

    place, kind = find_data(settings.pictures), None if settings.kind == "auto" else settings.kind
    given = settings.model_dump(include={"images", "class_name", "class_attribute"})
    splits: dict[str, maskrcnn.data.Dataset] = {}
    try:
        for split in sorted(annotations_in(place, kind), key=list(SPLIT_TITLES).index):
            names = next(iter(splits.values())).class_names if splits else None
            splits[split] = load(place, split or None, kind, strict=False, class_names=names, **given)
        found = {
            split: overview(track(one, f"reading the pictures {SPLIT_TITLES[split]}"), one.class_names, one.dropped)
            for split, one in splits.items()
        }
        suggestion = suggest(*found.values())
    except ValueError as error:  # a DataError is one
        raise UserError(f"{settings.pictures}: {error}") from None
    looks = _problems(found)
    page = Path(settings.output) / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, _page(settings, splits, found, suggestion, looks))
    return found, suggestion, looks, page


def recipe_lines(suggestion: Suggestion) -> str:
    """The suggested fields as the section of a recipe."""
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in suggestion.fields.items()}
    return yaml.safe_dump({"model": fields}, sort_keys=False, default_flow_style=None)


def reasons(suggestion: Suggestion) -> list[str]:
    """Why these, a sentence each."""
    from maskrcnn.data.survey.suggestions import LEAST_SIDE, SMALL_SHARE

    fields = suggestion.fields
    return [
        f"at {fields['min_size']} x {fields['max_size']} px, {suggestion.small:.0%} of the objects are smaller than "
        f"{LEAST_SIDE:.0f} px (asked: at most {SMALL_SHARE:.0%}); a larger picture finds more and takes longer",
        f"with these anchors {suggestion.reached:.0%} of the objects have one that overlaps them by half or more; "
        f"with the defaults {suggestion.before:.0%}",
        f"{fields['max_instances']} objects of a picture are trained on, and {fields['detections_per_image']} are "
        "found at most: no picture of these has more",
    ]


def summary_rows(found: dict[str, Overview]) -> list[list[str]]:
    """A table, its head first: a line a split."""
    rows = [["", "pictures", "objects", "crowds", "classes", "objects a picture", "picture, px", "object's side, px"]]
    for split, one in found.items():
        low, middle, high = np.percentile(one.sides, (5, 50, 95)) if len(one.sides) else (0, 0, 0)
        shown = sum(objects > 0 for objects, _ in one.classes.values())
        height, width = np.median(one.sizes, axis=0)
        rows.append([
            SPLIT_TITLES[split], str(len(one.names)), str(len(one.labels)), str(one.crowds), str(shown),
            f"{one.amounts.min()} to {one.amounts.max()}", f"{height:.0f} x {width:.0f}",
            f"{middle:.0f} ({low:.0f} to {high:.0f})",
        ])  # fmt: skip
    return rows


def _problems(found: dict[str, Overview]) -> list[str]:
    from maskrcnn.data.survey import common_pictures

    said = [f"{SPLIT_TITLES[split]}: {text}" for split, one in found.items() for text in one.problems()]
    splits = list(found)
    for place, split in enumerate(splits):
        for other in splits[place + 1 :]:
            if common := common_pictures(found[split], found[other]):
                said.insert(0, f"{len(common)} pictures are both {SPLIT_TITLES[split]} and {SPLIT_TITLES[other]}, "
                               f"the first is {common[0][0]}: what is measured on them is too good")
    return said


def _page(
    settings: Survey,
    splits: dict[str, maskrcnn.data.Dataset],
    found: dict[str, Overview],
    suggestion: Suggestion,
    looks: list[str],
) -> str:
    from experiments.problems.maskrcnn.detector_commands.survey_figures import annotated_figure, objects_figure
    from experiments.report.illustrated import Section, embedded, illustrated

    train = next(iter(found.values()))
    classes = [["class", *(f"objects {SPLIT_TITLES[split]}" for split in found)]]
    for name in train.class_names:
        classes.append([name, *(str(one.classes.get(name, (0, 0))[0]) for one in found.values())])
    sections: list[Section] = [
        Section("What there is", rows=summary_rows(found),
                text="The side of an object is the root of its box's area: the median, and where 90 % of them lie."),
        Section("What needs a look", lines=looks or ["nothing was found that does"]),
        Section("Objects", picture=embedded(objects_figure(train, suggestion)),
                caption="Of the first line above. A class with few objects is learnt badly; objects far from every "
                "dashed line have no anchor near their size."),
        Section("What suits them", lines=reasons(suggestion), code=recipe_lines(suggestion),
                text="The lines below go into a recipe. They follow from the objects' sizes, not from any trial."),
        Section("As annotated", picture=embedded(annotated_figure(next(iter(splits.values())), settings.show)),
                caption="Some pictures of the first line above, with their annotations as they are read: look for "
                "objects left out, wrong classes, and outlines that lie beside their object."),
        Section("Classes", rows=classes),
    ]  # fmt: skip
    pictures, objects = (sum(len(getattr(one, name)) for one in found.values()) for name in ("names", "labels"))
    lead = f"{pictures} pictures, {objects} objects, classes: {', '.join(train.class_names)}."
    return illustrated(settings.pictures, lead, sections)


def main(arguments: Sequence[str]) -> int:
    settings = read_flags(Survey, "taskprune data", __doc__, arguments)
    from experiments.runs import tensorflow_setup  # noqa: F401  # isort: skip  # before what imports TensorFlow
    from rich.console import Console
    from rich.table import Table

    found, suggestion, looks, page = survey(settings)
    console = Console(highlight=False)
    head, *rows = zip(*summary_rows(found), strict=True)  # a column a split: narrow enough for a terminal
    table = Table(*head, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for title, lines in (("needs a look:", looks), ("suggested for the recipe:", reasons(suggestion))):
        if lines:
            console.print(title)
            for line in lines:
                console.print(f"  - {line}", soft_wrap=True)
    console.print(recipe_lines(suggestion).rstrip(), markup=False)
    console.print(f"page: {page}", soft_wrap=True)
    return 0
