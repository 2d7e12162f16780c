"""What one request may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may cost; the server's memory follows from it.

    Attributes:
        body_bytes: of a request; a larger one is refused before it is read.
        pixels: of a picture; a larger one is refused before it is decoded. Detection takes about 15 bytes a pixel, and
            one more for each object.
        places: requests that may be read, wait or run at a time; the next one is refused.
        upload_seconds: within which a request must have arrived.
    """

    body_bytes: int = 20 * 2**20
    pixels: int = 16_000_000
    places: int = 16
    upload_seconds: float = 30.0
