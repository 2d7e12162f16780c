"""What the answers look like, for the interface's description (`/openapi.json`, `/docs`) and for its readers."""

from __future__ import annotations

from pydantic import BaseModel, Field


class RunLengths(BaseModel):
    """A mask as COCO's compressed run lengths; `pycocotools.mask.decode` reads it."""

    size: tuple[int, int] = Field(description="height and width of the picture, px")
    counts: str


Polygons = list[list[tuple[int, int]]]


class Timing(BaseModel):
    """Milliseconds."""

    wait: float = Field(description="in the queue")
    decode: float = Field(description="of the picture's file")
    detect: float = Field(description="of the model, masks pasted")
    write: float = Field(description="of the masks, into the form asked for")
    total: float


class Found(BaseModel):
    """What a model found in a picture, best first; the lists are as long as there are objects."""

    model: str
    width: int = Field(description="of the picture as viewers turn it (EXIF), px")
    height: int
    boxes: list[tuple[float, float, float, float]] = Field(description="x0, y0, x1, y1, px")
    labels: list[int] = Field(description="position of the class in the model's class_names, from 1")
    names: list[str] = Field(description="of the classes")
    scores: list[float]
    masks: list[RunLengths] | list[Polygons] | None = Field(
        None, description="as asked for: run lengths; or each mask's outlines and holes, [x, y] px; or absent"
    )
    shares: dict[str, float] = Field(description="class found -> share of the picture that it covers, in [0, 1]")
    timing_ms: Timing


class Model(BaseModel):
    """A model that is served."""

    name: str
    class_names: list[str]
    colours: list[str] = Field(description="of the classes, #rrggbb")
    parameters: int
    macs: int | None = Field(description="multiply-adds of one picture")
    macs_for: str = Field(description="what they were counted for")
    file_bytes: int | None
    detection_min_score: float = Field(description="score_threshold where none is given")


class Served(BaseModel):
    """What is served, and what a request may be."""

    models: list[Model]
    max_bytes: int = Field(description="of a request's body")
    max_pixels: int = Field(description="of a picture")


class Health(BaseModel):
    """That the server lives."""

    status: str
    models: list[str]
    waiting: int = Field(description="requests that are being read, wait or run")
    places: int = Field(description="that there are for them")


class Fault(BaseModel):
    """Why there is no answer."""

    detail: str
