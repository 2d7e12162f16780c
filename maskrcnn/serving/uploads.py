"""The picture of a multipart request, read within limits and kept in memory: nothing is written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import PurePath

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from maskrcnn.data import PictureBytes
from maskrcnn.serving.request_limits import Limits

FIELD = "image"
BODY = {  # of the request, for the interface's description
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary", "description": "a picture file"}},
                }
            }
        },
    }
}
_HINT = f"send one picture as multipart/form-data in the field {FIELD!r}: curl -F {FIELD}=@photo.jpg"


def check_length(request: Request, limits: Limits) -> None:
    """Refuses a body that says itself that it is too long, before any of it is read.

    Raises:
        HTTPException: 413.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.body_bytes:
        raise _too_long(limits)


async def read_upload(request: Request, limits: Limits) -> PictureBytes:
    """The one picture of a request.

    Raises:
        HTTPException: 408 it did not arrive in time, 413 too long, 415 not multipart, 422 no picture or several.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        found = request.headers.get("content-type") or "none"
        raise HTTPException(415, f"the content type is {found}; {_HINT}")
    parser = MultiPartParser(request.headers, _bounded(request, limits), max_files=8, max_fields=8)
    parser.spool_max_size = limits.body_bytes  # past it the parser would go on in a temporary file
    try:
        async with asyncio.timeout(limits.upload_seconds):
            form = await parser.parse()
    except TimeoutError:
        reason = f"the request did not arrive within {limits.upload_seconds:g} s"
        raise HTTPException(408, reason, {"Connection": "close"}) from None  # or its rest would be waited for
    except MultiPartException as error:
        raise HTTPException(422, f"the form cannot be read ({error.message.rstrip('.')}); {_HINT}") from None
    try:
        return await _only_picture(form.multi_items(), limits)
    finally:
        await form.close()


async def _only_picture(items: list[tuple[str, UploadFile | str]], limits: Limits) -> PictureBytes:
    files = [(field, item) for field, item in items if isinstance(item, UploadFile)]
    if len(files) > 1:
        raise HTTPException(422, f"{len(files)} files came in one request; {_HINT}")
    if not files or files[0][0] != FIELD:
        fields = ", ".join(repr(field) for field, _ in items) or "none"
        raise HTTPException(422, f"no file came in the field {FIELD!r} (fields: {fields}); {_HINT}")
    data = await files[0][1].read()
    name = PurePath(files[0][1].filename or "").name[:100] or "the picture"
    if not data:
        raise HTTPException(422, f"{name}: the file is empty; {_HINT}")
    return PictureBytes(data, name, limits.pixels)


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body's pieces, for as long as they are not too many: a length need not be stated, or true."""
    length = 0
    async for piece in request.stream():
        length += len(piece)
        if length > limits.body_bytes:
            raise _too_long(limits)
        yield piece


def _too_long(limits: Limits) -> HTTPException:
    most = f"{limits.body_bytes / 2**20:g} MiB"
    return HTTPException(413, f"the request is larger than {most}; send a smaller picture, or raise the server's limit")
