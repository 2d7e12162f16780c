"""Annotation files and pictures on disk.

Pictures are read as they are stored: an EXIF orientation is not applied, because annotation formats count in
stored pixels and do not record it. Grey, palette and alpha pictures become RGB (alpha is dropped); 16-bit
ones keep their upper eight bits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .dataset import DataError

_ORIENTATION = 0x0112  # EXIF tag


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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); export the annotations again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None


def check_picture(
    path: Path, annotations: Path, stated: tuple[int, int] | None, decode: bool
) -> tuple[int, int]:
    """Size of a picture, from its header.

    Args:
        path: the picture.
        annotations: the file that names it, for messages.
        stated: (height, width) px that the annotations claim, if they do.
        decode: also decode all pixels, to find a truncated file.

    Returns:
        (height, width) px.

    Raises:
        DataError: if it is missing, unreadable or not of the stated size.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: the picture is missing, but {annotations} annotates it. Put it there, or give "
            "the right folder of pictures.",
            "missing image",
        )
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            turn = picture.getexif().get(_ORIENTATION, 1)
            if decode:
                picture.load()
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise _unreadable(path, error) from error
    if stated is not None and stated != (height, width):
        hint = (
            f"It has EXIF orientation {turn}, which is not applied here: save it with the turn applied."
            if turn >= 5 and stated == (width, height)
            else "Use the picture that was annotated, or correct the size and the coordinates."
        )
        raise DataError(
            f"{annotations}: states {stated[1]}x{stated[0]} px (width x height) for {path}, but the file is "
            f"{width}x{height}. {hint}",
            "image size",
        )
    return height, width


def read_image(path: Path) -> np.ndarray:
    """The picture's stored pixels, (H, W, 3) uint8 RGB.

    Raises:
        DataError: if it is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I;16"):
                grey = (np.asarray(picture) >> 8).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            if picture.mode == "P" and "transparency" in picture.info:
                return np.array(picture.convert("RGBA").convert("RGB"))
            return np.array(picture.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{path}: the picture is missing.", "missing image") from None
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: the picture cannot be read ({error}). Save it again as JPEG or PNG.", "unreadable image"
    )
