"""The application: what can be asked over HTTP, and how it is answered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect
from swagger_ui_bundle import swagger_ui_path

from maskrcnn.data import DataError
from maskrcnn.serving import answer_schema as schema
from maskrcnn.serving import uploads, web_page
from maskrcnn.serving.answers import MaskFormat, Question, answered
from maskrcnn.serving.request_limits import Limits
from maskrcnn.serving.served_model import ServedModel
from maskrcnn.serving.serving_metrics import ServingMetrics
from maskrcnn.serving.work_queue import Abandoned, QueueFull, WorkQueue

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_CLIENT_GONE = 499  # nobody reads it; metrics count it
_FAULTS = {
    404: "no such model",
    406: "neither application/json nor image/png is accepted",
    408: "the request did not arrive in time",
    413: "the request, or the picture, is too large",
    415: "the request is not multipart/form-data",
    422: "no picture, several, one that cannot be read, or a parameter out of its range",
    503: "the queue is full; Retry-After says when to try again",
}


def create_app(
    models: Sequence[ServedModel], limits: Limits | None = None, hosts: Sequence[str] = LOOPBACK_HOSTS
) -> FastAPI:
    """An application that serves some models.

    Args:
        models: with different names; the first one answers where none is named.
        limits: of a request.
        hosts: names under which it may be reached, "*" for any. A page elsewhere that has its own name point at this
            machine is refused by them.

    Raises:
        ValueError: there is no model, or two have one name.
    """
    served = {one.name: one for one in models}
    if not models or len(served) < len(models):
        raise ValueError(f"models to serve need different names; found {[one.name for one in models]}")
    rows = [one.described() for one in models]
    bounds = limits or Limits()
    queue = WorkQueue(bounds.places)
    metrics = ServingMetrics(queue)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async def abandoned() -> bool:
            return False

        def warm_up(waited: float) -> None:
            for one in models:
                one.warm_up()

        await queue.run(warm_up, abandoned)
        yield
        queue.close()

    app = FastAPI(
        title="Mask R-CNN", version="1", description="Finds the objects of a picture.", lifespan=lifespan,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.openapi_version = "3.0.3"  # the newest that the bundled viewer reads
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    _explain_faults(app)

    @app.post(
        "/detect", openapi_extra=uploads.BODY, response_class=Response,
        responses={
            200: {"model": schema.Found, "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
            **{status: {"model": schema.Fault, "description": text} for status, text in _FAULTS.items()},
        },
    )  # fmt: skip
    async def detect(
        request: Request,
        model: Annotated[str, Query(description="its name; see /models")] = models[0].name,
        score_threshold: Annotated[
            float | None, Query(ge=0, lt=1, description="only scores above it; the model's own if not given")
        ] = None,
        max_detections: Annotated[int | None, Query(ge=1, description="only so many, the best")] = None,
        masks: Annotated[MaskFormat, Query(description="how JSON has the masks")] = "rle",
    ) -> Response:
        """What a model finds in a picture: JSON, or the picture with detections drawn (`Accept: image/png`)."""
        if model not in served:
            raise HTTPException(404, f"there is no model {model[:100]!r}; there are {', '.join(served)}")
        with metrics.counted(model):
            drawn = _wants_png(request)
            uploads.check_length(request, bounds)
            try:
                with queue.place():
                    picture = await uploads.read_upload(request, bounds)
                    question = Question(picture, score_threshold, max_detections, masks, drawn)
                    answer = await queue.run(
                        lambda waited: answered(served[model], question, waited), request.is_disconnected
                    )
            except QueueFull as error:
                raise HTTPException(503, str(error), {"Retry-After": str(error.retry_after)}) from None
            except DataError as error:
                raise HTTPException(413 if error.reason == "too large image" else 422, str(error)) from None
            except (Abandoned, ClientDisconnect):
                raise HTTPException(_CLIENT_GONE, "the client has gone") from None
        metrics.timed(model, answer.milliseconds)
        return Response(answer.body, media_type="image/png" if drawn else "application/json")

    @app.get("/models", response_model=schema.Served)
    async def list_models() -> dict:
        """The models, their sizes, and what a request may be."""
        return {"models": rows, "max_bytes": bounds.body_bytes, "max_pixels": bounds.pixels}

    @app.get("/healthz", response_model=schema.Health)
    async def health() -> dict:
        """That the server lives; answered while a detection runs."""
        return {"status": "ok", "models": list(served), "waiting": queue.taken, "places": queue.places}

    @app.get("/metrics", response_class=Response)
    async def scraped() -> Response:
        """Counters and times, as Prometheus reads them."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(web_page.HTML, headers=web_page.HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json", title="Mask R-CNN", swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css", swagger_favicon_url="docs/assets/favicon-32x32.png",
        )  # fmt: skip

    app.mount("/docs/assets", StaticFiles(directory=str(swagger_ui_path)))
    return app


def _wants_png(request: Request) -> bool:
    """Whether the first type that is accepted is a PNG.

    Raises:
        HTTPException: 406, neither of the two is.
    """
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    for kind in accepted:
        if kind in ("*/*", "application/*", "application/json"):
            return False
        if kind in ("image/*", "image/png"):
            return True
    raise HTTPException(406, f"answers are application/json or image/png; accepted are {', '.join(accepted)[:200]}")


def _explain_faults(app: FastAPI) -> None:
    """Every fault is {"detail": a sentence}, also those that FastAPI finds."""

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [f"{one['loc'][-1]} = {str(one.get('input'))[:100]!r}: {one['msg']}" for one in error.errors()]
        return JSONResponse({"detail": "; ".join(parts)}, 422)

    @app.exception_handler(Exception)
    async def own_up(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the server failed at this; its log has the error"}, 500)
