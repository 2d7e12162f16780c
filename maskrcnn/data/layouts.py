"""What lies in a folder of annotated pictures: which format, in which files, and for which split."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from .dataset import DataError
from .formats.json_values import read_json
from .picture_files.image_file import is_junk

Kind = Literal["coco", "via", "labelme", "masks", "cvat"]
KINDS: tuple[Kind, ...] = ("coco", "via", "labelme", "masks", "cvat")
WHOLE = ""  # the split of a folder that has none

_WORDS = {
    "train": "train", "training": "train",
    "tune": "tune", "val": "tune", "valid": "tune", "validation": "tune", "dev": "tune",
    "test": "test", "testing": "test",
}  # fmt: skip
_READ = (
    "COCO (*.json; Roboflow, CVAT, Label Studio), VIA (*.json), LabelMe (a *.json for each picture), CVAT for images "
    "(annotations.xml), or folders of masks (images/ and masks/)"
)
_FILES_LOOKED_AT = 50
_DEPTH = 4  # of folders in folders; links may lead round
_COUNTED = 10_000  # files, to say what was found


@dataclass(frozen=True)
class Annotations:
    """Annotations that a reader takes as they are.

    Attributes:
        kind: of KINDS.
        path: the file of coco, via and cvat; the folder of labelme and masks.
    """

    kind: Kind
    path: Path

    def __str__(self) -> str:
        return f"{self.path} ({self.kind})"


def annotations_in(place: str | Path, kind: Kind | None = None) -> dict[str, Annotations]:
    """The annotations of each split.

    Splits are folders (`train`, `valid` or `val`, `test`, as Roboflow exports them), or files of one folder
    (`annotations/instances_train2017.json`, `train.json`). Of two held-out splits `val` is "tune" and `test` is
    "test"; a single one is "test".

    Args:
        place: a folder, whatever is in it, or a file of annotations.
        kind: the format; found out if None.

    Returns:
        "train", "tune" and "test", as there are; {WHOLE: ...} where there is no split.

    Raises:
        DataError: nothing is recognised, or more than one thing is; says what was found.
    """
    place = Path(place)
    if place.is_file():
        found = {WHOLE: _of_file(place, kind)}
    elif place.is_dir():
        found = _in_folder(place, kind) or _unrecognised(place, kind)
    else:
        raise DataError(f"{place}: no such file or folder.", "missing file")
    if "test" not in found and "tune" in found and "train" in found:
        found["test"] = found.pop("tune")
    return found


def _of_file(path: Path, kind: Kind | None) -> Annotations:
    seen = _kind_of(path) if kind is None else kind
    if path.suffix.lower() in (".zip", ".tar", ".gz", ".7z", ".rar"):
        raise DataError(f"{path}: is packed. Unpack it, and give the folder.")
    if seen is None:
        raise DataError(f"{path}: no known file of annotations; expected {_READ}.")
    return Annotations(seen, path.parent if seen == "labelme" else path)


def _in_folder(folder: Path, kind: Kind | None, depth: int = _DEPTH) -> dict[str, Annotations]:
    """The annotations of a folder itself, else of the folders in it; nothing, if there are none."""
    here = _candidates(folder, kind)
    kinds = {one.kind for one in here}
    if len(kinds) > 1:
        raise DataError(
            f"{folder}: holds annotations of several kinds: {', '.join(map(str, here))}. Say which are meant: "
            f"{' or '.join(sorted(kinds))} (kind=; in a recipe data.kind), or give the file itself.",
            "ambiguous",
        )
    if here:
        return {WHOLE: here[0]} if len(here) == 1 else _by_split(folder, {one.path.stem: one for one in here})
    inner = _folders(folder) if depth else []
    inside = {path.name: found for path in inner if (found := _in_folder(path, kind, depth - 1))}
    if len(inside) == 1:
        (name,) = inside
        split = split_named(name)
        return {split: inside[name][WHOLE]} if split and set(inside[name]) == {WHOLE} else inside[name]
    single = {name: found[WHOLE] for name, found in inside.items() if WHOLE in found}
    return _by_split(folder, single) if inside else {}


def _by_split(folder: Path, named: dict[str, Annotations]) -> dict[str, Annotations]:
    found: dict[str, Annotations] = {}
    for name, one in named.items():
        split = split_named(name)
        if split and split not in found:
            found[split] = one
            continue
        raise DataError(
            f"{folder}: holds several sets of annotations: {', '.join(map(str, named.values()))}. Name the one that is "
            "meant, or several to join them; train, val and test, in folders or files so called, are known as splits.",
            "ambiguous",
        )
    return found


def split_named(name: str) -> str | None:
    """The split that a file or folder is called after: `train`, `instances_val2017`, `valid`, ...; else None."""
    found = {_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def _folders(folder: Path) -> list[Path]:
    hidden = (".", "__")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _candidates(folder: Path, kind: Kind | None) -> list[Annotations]:
    """What lies in the folder, or in its folder `annotations`."""
    found = list(_files_of(folder, kind)) or list(_files_of(folder / "annotations", kind))
    for usual in ("instances_", "via_region_data."):  # beside others of its kind, such as keypoints or a project
        kinds = {one.kind for one in found if one.path.name.startswith(usual)}
        found = [one for one in found if one.kind not in kinds or one.path.name.startswith(usual)]
    if kind in (None, "masks") and _has_masks(folder):
        found.append(Annotations("masks", folder))
    return found


def _files_of(folder: Path, kind: Kind | None) -> Iterator[Annotations]:
    if not folder.is_dir():
        return
    if kind in (None, "cvat") and _kind_of(folder / "annotations.xml") == "cvat":
        yield Annotations("cvat", folder / "annotations.xml")
    files = sorted(path for path in folder.glob("*.json") if not is_junk(path))
    labelme = False
    for path in files[:_FILES_LOOKED_AT]:
        seen = _kind_of(path)
        if seen is None or (kind is not None and seen != kind) or (seen == "labelme" and labelme):
            continue
        labelme = labelme or seen == "labelme"
        yield Annotations(seen, folder if seen == "labelme" else path)


def _kind_of(path: Path) -> Kind | None:
    """The format of a file, by its content."""
    if path.suffix.lower() == ".xml":
        return "cvat" if _is_cvat(path) else None
    try:
        content = read_json(path)
    except DataError:
        return None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("shapes"), list):
        return "labelme"
    if all(isinstance(content.get(key), list) for key in ("images", "annotations", "categories")):
        return "coco"
    return "via" if _is_via(content) else None


def _is_via(content: dict[str, Any]) -> bool:
    entries = content.get("_via_img_metadata", content)
    return isinstance(entries, dict) and any(
        isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in entries.values()
    )


def _is_cvat(path: Path) -> bool:
    try:
        for _, element in ElementTree.iterparse(path, events=("start",)):
            return element.tag == "annotations"
    except (OSError, ElementTree.ParseError):
        pass
    return False


def _has_masks(folder: Path) -> bool:
    def both(place: Path) -> bool:
        return (place / "masks").is_dir() and any((place / name).is_dir() for name in ("images", "pictures"))

    return both(folder) or any(both(path) for path in _folders(folder) if not split_named(path.name))


def _unrecognised(folder: Path, kind: Kind | None) -> dict[str, Annotations]:
    """The folder for the reader of its kind, which says what is wrong in it.

    Raises:
        DataError: there is no such reader; says what was found.
    """
    other = {} if kind is None else _in_folder(folder, None)
    if other:
        raise DataError(
            f"{folder}: holds no annotations of kind {kind}, but {', '.join(map(str, other.values()))}. Correct the "
            "kind (kind=; in a recipe data.kind), or let it be found: auto.",
            "other kind",
        )
    if kind in ("via", "labelme", "masks"):
        return {WHOLE: Annotations(kind, folder)}
    raise DataError(f"{folder}: {_nothing(folder, kind)}", "missing file")


def _nothing(folder: Path, kind: Kind | None) -> str:
    """What was found in place of annotations, and what is read."""
    every = itertools.islice(folder.rglob("*"), _COUNTED)
    files = [path for path in every if path.is_file() and not path.name.startswith(".")]
    endings = Counter(path.suffix.lower() or "no ending" for path in files)
    seen = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5)) or "no file"
    hint = ""
    if any(path.name in ("data.yaml", "dataset.yaml", "obj.data") for path in files):
        hint = " This looks like a YOLO export: export it again as COCO."
    elif endings[".xml"]:
        hint = " XML for each picture is Pascal VOC, which has no masks: export again as COCO."
    wanted = f"no annotations of kind {kind}" if kind else "no annotations that are known"
    return f"holds {wanted} (found {seen}).{hint} Read are {_READ}."
