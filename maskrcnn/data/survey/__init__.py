"""What a data set holds, and which picture size and anchors fit it."""

from .overview import Overview, common_pictures, overview
from .suggestions import Suggestion, suggest

__all__ = ["Overview", "Suggestion", "common_pictures", "overview", "suggest"]
