"""Models behind HTTP: an application that answers a picture with what each model finds. Needs FastAPI and uvicorn."""

from .application import create_app
from .request_limits import Limits
from .served_model import ServedModel

__all__ = ["Limits", "ServedModel", "create_app"]
