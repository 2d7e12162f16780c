"""A Mask R-CNN from a file: a saved one, or the weights that a new one begins from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import maskrcnn
from experiments.errors import UserError
from experiments.settings.places import find_model


def load(path: str | Path) -> maskrcnn.MaskRCNN:
    """A Mask R-CNN that was saved before.

    Raises:
        UserError: there is no such file, or it holds no Mask R-CNN.
    """
    import pruning  # noqa: F401  # a model may have been saved with an optimizer of its making
    from experiments.problems import functional

    found = functional.load(path, maskrcnn.load)
    if not isinstance(found, maskrcnn.MaskRCNN):
        raise UserError(f"{path} holds a {type(found).__name__}; expected a maskrcnn.MaskRCNN")
    return found


def load_any(place: str) -> maskrcnn.MaskRCNN | maskrcnn.export.ExportedDetector:
    """What detects: a file that was exported, or a saved model, or that of a folder of results.

    Raises:
        UserError: as `load`; or the file's runtime is not installed.
    """
    if not maskrcnn.export.is_exported(place):
        return load(find_model(place))
    try:
        return maskrcnn.export.load(place)
    except (ValueError, ImportError) as error:
        raise UserError(str(error)) from None


def begin_from(path: Path, model: maskrcnn.MaskRCNN, classes: Literal["auto", "load", "skip"]) -> None:
    """Give a model the weights of a whole detector.

    Args:
        path: of a .keras file, of Matterport's (.h5), or of torchvision's.
        model: a new one.
        classes: see `ModelSettings.start_classes`.

    Raises:
        UserError: the file cannot be read, or does not fit.

    Warns:
        UserWarning: weights of the model are not in the file.
    """
    said: Literal["load", "skip"] = "load" if classes == "load" else "skip"
    try:
        if path.suffix == ".keras":
            source = load(path)
            if classes == "auto" and source.config.class_names == model.config.class_names:
                said = "load"
            report = maskrcnn.weights.load_keras(model, source, said)
        elif path.suffix in (".h5", ".hdf5"):
            report = maskrcnn.weights.load_matterport(model, path, said)
        else:
            report = maskrcnn.weights.load_torchvision(model, path, said)
    except ValueError as error:
        raise UserError(f"model.start = {str(path)!r}: {error}") from None
    if report.missing:
        some = ", ".join(report.missing[:3]) + ", ..." * (len(report.missing) > 3)
        warnings.warn(
            f"model.start = {str(path)!r} has no weights for {len(report.missing)} of the network's, which begin as "
            f"they are drawn: {some}",
            stacklevel=3,
        )
