"""One reader for what stands in annotation files: ids, names, numbers, flags and lists, of stated types.

Every function takes a value, what it is called, and where it stands ("file, annotation"); a value of another
type is a `DataError` that says all three.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..dataset import DataError

_FLAGS = {"1": True, "true": True, "yes": True, "": False, "0": False, "false": False, "no": False}


def read_json(path: Path, unique_keys: bool = False) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        unique_keys: refuse an object that has the same key twice, of which Python would keep the last.

    Raises:
        DataError: if it is absent, is not JSON or repeats a key.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(
                f"{path}: the key {twice!r} occurs twice in one object; keep one of them.", "duplicate id"
            )
        return found

    try:
        return json.loads(
            path.read_text(encoding="utf-8-sig"), object_pairs_hook=pairs if unique_keys else None
        )
    except FileNotFoundError:
        raise DataError(f"{path}: no such annotation file; check the path.", "missing file") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); export the annotations again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None


def shown(value: Any) -> str:
    """A value as JSON writes it (text in quotes), cut to 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def mapping(value: Any, what: str, where: str) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: {what} must be an object, found {shown(value)}. Correct it.", "bad value")
    return value


def sequence(value: Any, what: str, where: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise DataError(f"{where}: {what} must be a list, found {shown(value)}. Correct it.", "bad value")
    return value


def identifier(value: Any, what: str, where: str) -> int | str:
    """An id: a whole number or a text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    if _is_number(value) and math.isfinite(value) and value == int(value):
        return int(value)
    raise DataError(
        f"{where}: {what} must be a whole number or a text, found {shown(value)}. Correct it.", "bad id"
    )


def text(value: Any, what: str, where: str, reason: str = "bad value") -> str:
    """A text that is not empty, without the blanks around it; a number is taken as its text."""
    if _is_number(value) and not isinstance(value, float):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {what} must be a text, found {shown(value)}. Correct it.", reason)
    return value.strip()


def flag(value: Any, what: str, where: str) -> bool:
    """Yes or no: true, 1, "1" and "true", or false, 0, "0", "false", "" and null."""
    if value is None or isinstance(value, bool):
        return bool(value)
    written = value.strip().lower() if isinstance(value, str) else str(int(value)) if value in (0, 1) else None
    if written in _FLAGS:
        return _FLAGS[written]
    raise DataError(f"{where}: {what} must be 0 or 1, found {shown(value)}. Correct it.", "bad value")


def number(value: Any, what: str, where: str) -> float:
    """A finite number; converters from XML write it as text, which is read too."""
    try:
        found = float(value) if _is_number(value) or isinstance(value, str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(
            f"{where}: {what} must be a finite number, found {shown(value)}. Correct it or draw it again.",
            "bad coordinates",
        )
    return found


def numbers(values: Any, what: str, where: str) -> list[float]:
    """A list of finite numbers."""
    return [number(value, what, where) for value in sequence(values, what, where)]


def pixels(value: Any, what: str, where: str) -> int:
    """A side of a picture: a whole number of at least one pixel."""
    found = number(value, what, where)
    if found < 1 or found != int(found):
        raise DataError(
            f"{where}: {what} must be a whole number of pixels, found {shown(value)}. Correct it.",
            "image size",
        )
    return int(found)


def run_counts(values: list[Any], where: str) -> list[int]:
    """Lengths of runs: whole numbers that are not negative, as JSON writes them."""
    wrong = [v for v in values if not _is_number(v) or not math.isfinite(v) or v < 0 or v != int(v)]
    if wrong:
        raise DataError(
            f"{where}: the runs of its mask must be whole numbers that are not negative, found "
            f"{shown(wrong[0])}. Encode it again.",
            "bad mask",
        )
    return [int(v) for v in values]


def _is_number(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**63
    return isinstance(value, float)
