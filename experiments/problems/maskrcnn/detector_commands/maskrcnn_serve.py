"""Serve models over HTTP: taskprune serve --model dense=a.keras --model pruned=b.keras

A page at / shows what each model finds in a picture, side by side; POST /detect answers programs, and /docs describes
it. Needs the extra `serve`: pip install 'taskprune[serve]'
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from annotated_types import Ge, Le

from experiments.errors import UserError
from experiments.settings.flags import read_flags
from experiments.settings.places import find_model
from experiments.settings.recipe import Count, Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from maskrcnn.serving import ServedModel

_NEEDS = "serving needs FastAPI and uvicorn, which are not installed (no module {!r}): pip install 'taskprune[serve]'"


class Serve(Settings):
    """What to serve, and to whom."""

    model: tyro.conf.UseAppendAction[tuple[str, ...]]
    """NAME=FILE, or FILE, a saved model, or the folder of a run or a sweep; once for each. The first one answers
    requests that name none."""
    host: str = "127.0.0.1"
    """address to listen on; the default one cannot be reached from other machines. There is no password and no
    encryption: on another address, whoever reaches the port may use the models and this machine's processors."""
    port: Annotated[int, Ge(0), Le(65535)] = 8000
    """0: any that is free."""
    places: Count = 16
    """requests that may be read, wait or run at a time; the next one is answered with 503."""
    max_megabytes: Count = 20
    """MiB of a request."""
    max_megapixels: Count = 16
    """millions of pixels of a picture."""
    threads: Annotated[int, Ge(0)] = 0
    """that one operation may use; 0: one for every core."""


def named_files(given: Sequence[str]) -> dict[str, Path]:
    """Names of models and their files.

    Raises:
        UserError: none is given, a file is not there, or two have one name.
    """
    if not given:
        raise UserError("no model is named: give --model NAME=FILE, once for each")
    found: dict[str, Path] = {}
    for one in given:
        name, equals, file = one.partition("=")
        place = Path(file if equals else one)
        path = find_model(place)
        name = name.strip() if equals else place.stem
        if not name:
            raise UserError(f"--model {one}: expected NAME=FILE")
        if not path.is_file():
            raise UserError(f"{path}: no such model; give --model NAME=FILE")
        if name in found:
            raise UserError(f"two models are called {name!r}: give each a name of its own, --model NAME=FILE")
        found[name] = path
    return found


def listening(host: str, port: int) -> socket.socket:
    """A socket that holds an address, before the models are read, which takes long.

    Raises:
        UserError: it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{host}, port {port}, cannot be listened on ({why}); choose another --port") from None
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def served_model(name: str, path: Path) -> ServedModel:
    """A saved model with its costs.

    Raises:
        UserError: the file holds no Mask R-CNN.
    """
    import maskrcnn
    import pruning
    from experiments.problems.maskrcnn.maskrcnn_problem import load
    from maskrcnn.data.placement import place
    from maskrcnn.serving import ServedModel

    saved = load(path)
    # Anew from its network: the optimizer that a saved model brings may be twice as large.
    model = maskrcnn.MaskRCNN(saved.config, network=saved.network, name=saved.name)
    config = model.config
    height, width = place((config.min_size, config.max_size), config).padded
    rois, objects = config.post_nms_test, config.detections_per_image
    return ServedModel(
        name,
        model,
        macs=pruning.cost(model, model.input_shapes((height, width), rois, objects)).macs,
        macs_for=f"{width}x{height} px, {rois} proposals and {objects} objects",
        file_bytes=path.stat().st_size,
    )


def served_app(settings: Serve) -> FastAPI:
    """The application with its models loaded.

    Raises:
        UserError: as `served_model`.
    """
    from rich.progress import track

    from maskrcnn.serving import Limits, create_app

    files = named_files(settings.model)
    models = [served_model(*one) for one in track(files.items(), "loading", disable=len(files) == 1)]
    limits = Limits(settings.max_megabytes * 2**20, settings.max_megapixels * 1_000_000, settings.places)
    return create_app(models, limits, **({} if is_loopback(settings.host) else {"hosts": ("*",)}))


def serve(settings: Serve) -> None:
    """Serve until it is interrupted.

    Raises:
        UserError: the extra `serve` is not installed, the address cannot be had, or a model cannot be read.
    """
    named_files(settings.model)
    with listening(settings.host, settings.port) as place:
        from experiments.runs import tensorflow_setup  # isort: skip  # before what imports TensorFlow

        try:
            from maskrcnn.serving.web_server import run
        except ModuleNotFoundError as error:
            raise UserError(_NEEDS.format(error.name)) from None
        tensorflow_setup.prepare(settings.threads)
        run(served_app(settings), place, lambda: print(_greeting(settings.host, place.getsockname()[1]), flush=True))
    print("stopped")


def _greeting(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    if is_loopback(host):
        return f"http://{shown}:{port} (this machine alone can reach it; Ctrl-C stops it)"
    return (
        f"http://{shown}:{port} (Ctrl-C stops it)\nwhoever reaches this port may use the models and this machine's "
        "processors; there is no password and no encryption: keep it in a network that you trust, or behind a proxy "
        "that has both"
    )


def main(arguments: Sequence[str]) -> int:
    serve(read_flags(Serve, "taskprune serve", __doc__, arguments))
    return 0
