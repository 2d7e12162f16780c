"""The classes of a COCO file: which categories are classes, and which label each has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..dataset import DataError
from .annotated import Checks, positions
from .json_values import identifier, shown, text


class Categories:
    """Category ids and labels.

    Args:
        content: of the file; its lists `categories` and `annotations` are read.
        class_names: the classes to use, in the order of their labels; None: all by id.
        path: the file, for messages.
        checks: whether a faulty category is left out, and then what is of it, or raised.

    Attributes:
        names: class names in the order of labels.
        ids: the category id of each; None for a class that the file lacks.

    Raises:
        DataError: for a category without id or name, a name or id that occurs twice, or a file with none of
            `class_names`.
    """

    def __init__(
        self, content: dict[str, Any], class_names: Sequence[str] | None, path: Path, checks: Checks
    ) -> None:
        rows = _rows(content["categories"], path, checks)
        self._known = list(rows)
        roots = _roots(rows, content["annotations"])
        listed = {i: name for i, (name, _) in rows.items() if i not in roots}
        if class_names is not None:  # a root may be a class of the model that is asked about
            wanted = positions(class_names, path)
            absent = set(wanted) - set(listed.values())
            listed |= {i: rows[i][0] for i in roots if rows[i][0] in absent}
        named = positions([listed[i] for i in sorted(listed)], path)
        if class_names is None:
            wanted = named
        elif not set(wanted) & set(named):
            raise DataError(
                f"{path}: has none of the classes {list(wanted)}; its categories are {list(named)}. Correct "
                "class_names, or the names in the file.",
                "unknown category",
            )
        _refuse_near_misses(set(wanted) - set(named), set(named) - set(wanted), path)
        self._labels = {i: wanted.get(name, 0) for i, name in listed.items()}
        self.names = list(wanted)
        by_label = {label: i for i, label in self._labels.items()}
        self.ids = [by_label.get(label) for label in wanted.values()]

    def label(self, category_id: Any, where: str) -> int:
        """The label of a category; 0 if it is not wanted.

        Raises:
            DataError: if the file has no such category.
        """
        found = identifier(category_id, "category_id", where)
        if found not in self._labels:
            kinds = {type(i) for i in self._known}
            hint = " Text and numbers are different ids: write all alike." if type(found) not in kinds else ""
            raise DataError(
                f"{where}: unknown category id {shown(found)}; the file has {self._known}. Correct it, or add the "
                f"category.{hint}",
                "unknown category",
            )
        return self._labels[found]


def _rows(categories: list[Any], path: Path, checks: Checks) -> dict[int | str, tuple[str, Any]]:
    """Category id -> its name and supercategory, in the order of ids."""
    rows: dict[int | str, tuple[str, Any]] = {}

    def add(category: Any) -> None:
        if not isinstance(category, dict) or "id" not in category or "name" not in category:
            raise DataError(f"{path}: category {shown(category)} needs id and name.")
        category_id = identifier(category["id"], "the id of a category", str(path))
        name = text(category["name"], "name", f"{path}, category {category_id}")
        if category_id in rows:
            raise DataError(
                f"{path}: category id {category_id} occurs twice; give each its own.", "duplicate id"
            )
        first = next(iter(rows), category_id)
        if type(first) is not type(category_id):
            a_number, a_text = (first, category_id) if isinstance(first, int) else (category_id, first)
            raise DataError(
                f"{path}: category ids are numbers ({shown(a_number)}) and text ({shown(a_text)}); write all alike.",
                "mixed ids",
            )
        rows[category_id] = name, category.get("supercategory")

    for category in categories:
        checks.attempt(add, category)
    return dict(sorted(rows.items()))


def _roots(rows: dict[int | str, tuple[str, Any]], annotations: list[Any]) -> list[int | str]:
    """Categories that nothing uses, and whose name is another's or the supercategory of all others."""
    ids = (annotation.get("category_id") for annotation in annotations if isinstance(annotation, dict))
    used = {i for i in ids if isinstance(i, int | float | str)}
    roots: list[int | str] = []
    for i, (name, _) in rows.items():
        others = [row for j, row in rows.items() if j != i and j not in roots]
        if i in used or not others:
            continue
        if any(name == other for other, _ in others) or all(name == above for _, above in others):
            roots.append(i)
    return roots


def _refuse_near_misses(absent: set[str], unread: set[str], path: Path) -> None:
    """A class that the file lacks beside a category of nearly its name, whose objects would be passed over."""
    plain = {name.casefold().strip(): name for name in unread}
    for name in sorted(absent):
        if name.casefold().strip() in plain:
            raise DataError(
                f"{path}: the class {name!r} is written {plain[name.casefold().strip()]!r} in the file. Write it alike "
                "in both.",
                "unknown category",
            )
