"""Picture files: the one reader of pixels, and the turn that EXIF asks for.

Cameras store a picture as the sensor lay and note the turn beside it. Browsers (so VIA) and LabelMe show the
turned picture, and annotations count in its pixels; other tools count in stored pixels. `inspect_picture`
decides which of the two a file of annotations means, and refuses where nothing tells.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal, get_args

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..dataset import DataError
from .picture_source import PictureBytes, Source, open_source

Exif = Literal["auto", "apply", "ignore"]
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_ORIENTATION = 0x0112  # EXIF tag
_BACK = {6: 8, 8: 6}  # the turn that undoes a turn; the others undo themselves


@dataclass(frozen=True)
class ImageFile:
    """A picture that was found usable.

    Attributes:
        source: where its bytes are.
        height, width: px, after the turn.
        turn: the EXIF orientation to apply, 1 (as stored) to 8.
        orientation: the EXIF orientation that the file has.
    """

    source: Source
    height: int
    width: int
    turn: int = 1
    orientation: int = 1


def read_picture(source: str | Path | PictureBytes, turned: bool = True) -> np.ndarray:
    """A picture's pixels, (H, W, 3) uint8 RGB.

    Grey, palette, CMYK and alpha become RGB (alpha is dropped). 16-bit grey keeps its upper eight bits; 32-bit
    whole numbers are read as 8-bit up to 255 and as 16-bit up to 65535; floats are scaled from [0, 1], or
    rounded from [0, 255]. Of an animation or of several pages the first picture is read.

    Args:
        source: the file, or its bytes.
        turned: apply its EXIF orientation, as viewers do; False: the pixels as stored.

    Raises:
        DataError: if it is missing, cannot be decoded, is too large to be decoded safely, or has other values.
    """
    found = Path(source) if isinstance(source, str) else source
    with _opened(found) as picture:
        orientation = exif_orientation(picture)
        return _turned(_stored(picture, found), orientation if turned else 1)


def read_image(file: ImageFile) -> np.ndarray:
    """The pixels of a file that was inspected, turned as decided then; (H, W, 3) uint8 RGB.

    Raises:
        DataError: as `read_picture`; or if it is of another size by now.
    """
    with _opened(file.source) as picture:
        image = _turned(_stored(picture, file.source), file.turn)
    height, width = image.shape[:2]
    if (height, width) != (file.height, file.width):
        raise DataError(
            f"{file.source}: is {width}x{height} px now and was {file.width}x{file.height} when loaded. Load "
            "the dataset again.",
            "image size",
        )
    return image


def read_values(path: Path) -> np.ndarray:
    """The values of a mask or map (H, W): grey, palette numbers, or a number for each colour, 0 for black and unseen.

    Raises:
        DataError: if it is missing or cannot be decoded.
    """
    with _opened(path) as picture:
        if picture.mode in ("RGB", "RGBA", "LA", "CMYK"):
            red, green, blue, alpha = np.moveaxis(np.array(picture.convert("RGBA"), np.int64), -1, 0)
            grey = (red == green).all() and (green == blue).all()
            return np.where(alpha > 0, red if grey else red << 16 | green << 8 | blue, 0)
        values = np.array(picture)
        return values if values.dtype.kind == "f" else values.astype(np.int64)


def inspect_picture(
    source: Source,
    annotations: Path,
    stated: tuple[int, int] | None = None,
    tool_turns: bool = False,
    exif: Exif = "auto",
    decode: bool = False,
) -> ImageFile:
    """Checks a picture, and decides whether its EXIF orientation is to be applied.

    Args:
        source: the picture.
        annotations: the file that names it, for messages.
        stated: (height, width) px that the annotations claim, if they do.
        tool_turns: whether the tool that wrote the annotations shows the turned picture.
        exif: "auto": as the stated size tells, else as the tool does; "apply" or "ignore": so for all.
        decode: also decode all pixels, to find a truncated file.

    Raises:
        DataError: if it is missing, unreadable or not of the stated size, or if nothing tells which way round
            it was annotated.
        ValueError: for another value of `exif`.
    """
    if exif not in get_args(Exif):
        raise ValueError(f"exif={exif!r}: expected one of {', '.join(get_args(Exif))}")
    if isinstance(source, Path) and not os.path.isfile(source):  # also for a name that no file can have
        raise DataError(
            f"{source}: the picture is missing, but {annotations} annotates it. Put it there, or give "
            "the right folder of pictures.",
            "missing image",
        )
    with _opened(source) as picture:
        width, height = picture.size
        orientation = exif_orientation(picture)
        stored = (width, height) if _turns_itself(picture) and orientation >= 5 else (height, width)
        if decode or picture.mode in ("I", "F"):  # whose values may be of no known range
            _rgb(picture, source)
    turned = stored[::-1] if orientation >= 5 else stored
    if exif != "auto":
        turn = orientation if exif == "apply" else 1
    elif stated is not None and stored != turned:
        turn = orientation if stated == turned else 1
    elif orientation == 1 or tool_turns:
        turn = orientation
    else:
        raise DataError(
            f"{annotations}: {source} has EXIF orientation {orientation}, and nothing tells whether it was "
            'annotated as stored or turned. Give exif="apply" (viewers show it turned) or exif="ignore", or '
            "save the pictures without it.",
            "EXIF orientation",
        )
    height, width = stored if turn == 1 else turned
    if stated is not None and stated != (height, width):
        also = f", EXIF orientation {orientation}" if orientation > 1 else ""
        raise DataError(
            f"{annotations}: states {stated[1]}x{stated[0]} px (width x height) for {source}, but the file is "
            f"{width}x{height}{also}. Use the picture that was annotated, or correct the size and the "
            "coordinates.",
            "image size",
        )
    return ImageFile(source, height, width, turn, orientation)


def exif_orientation(picture: Image.Image) -> int:
    """1 (as stored) to 8; 1 where the tag is absent or senseless."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken EXIF block beside good pixels: SyntaxError, struct.error, ...
        return 1
    return int(found) if found in range(1, 9) else 1


def is_junk(path: Path) -> bool:
    """Whether macOS made the file beside another one: `._a.png` is no picture."""
    return path.name.startswith("._")


def picture_paths(folder: Path) -> list[Path]:
    """The picture files in a folder, by their endings, in the order of their names."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not is_junk(p))


def locate(folder: Path, name: str) -> Path:
    """The file that annotations call `name`, which may have been written on Windows."""
    written = folder / name
    if "\\" not in name or os.path.exists(written):
        return written
    windows = PureWindowsPath(name)
    return folder / (windows.name if windows.drive or windows.root else windows.as_posix())


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, 3) as EXIF says it is to be shown."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """The opened picture; whatever Pillow raises on opening or decoding becomes a `DataError`."""
    try:
        with open_source(source) as picture:
            yield picture
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{source}: the picture is missing.", "missing image") from None
    except Image.DecompressionBombError as error:
        own = "." if isinstance(source, PictureBytes) else "; if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS."
        raise DataError(
            f"{source}: the picture is too large ({error}). Make it smaller or cut it into tiles{own}",
            "too large image",
        ) from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        why = "no known format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(
            f"{source}: the picture cannot be read ({why}). Save it again as JPEG or PNG.", "unreadable image"
        ) from error


def _turns_itself(picture: Image.Image) -> bool:
    """Whether Pillow applies the orientation while it decodes, and states the turned size."""
    return picture.format == "TIFF"


def _stored(picture: Image.Image, source: Source) -> np.ndarray:
    """The pixels (H, W, 3) as stored."""
    orientation = exif_orientation(picture)  # decoding a TIFF removes it
    image = _rgb(picture, source)
    return _turned(image, _BACK.get(orientation, orientation)) if _turns_itself(picture) else image


def _rgb(picture: Image.Image, source: Source) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
    elif picture.mode in ("I", "F"):
        grey = _eight_bits(np.asarray(picture), source)
    elif picture.mode == "P" and "transparency" in picture.info:
        return np.array(picture.convert("RGBA").convert("RGB"))
    else:
        return np.array(picture.convert("RGB"))
    return np.repeat(grey[:, :, None], 3, axis=2)


def _eight_bits(values: np.ndarray, source: Source) -> np.ndarray:
    """32-bit grey (H, W) as uint8, where its range is a known one."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        # Between 1 and 2 lies [0, 1] with some overshoot, or a black picture of [0, 255]: nobody can tell.
        if low >= 0 and (high <= 1 or 2 <= high <= 255):
            return np.round(values * (255 if high <= 1 else 1)).astype(np.uint8)
        expected = "[0, 1] or [0, 255]"
    else:
        if low >= 0 and high <= 65535:
            return (values >> 8 if high > 255 else values).astype(np.uint8)
        expected = "[0, 255] or [0, 65535]"
    raise DataError(
        f"{source}: the picture's values run from {low:g} to {high:g}; expected {expected}. Save it as 8-bit.",
        "unreadable image",
    )
