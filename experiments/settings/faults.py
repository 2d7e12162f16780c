"""What is wrong in settings, in words: a line a fault, an unknown key with the nearest known one."""

from __future__ import annotations

import difflib
from typing import Any

import pydantic


def explain(error: pydantic.ValidationError, kind: type[pydantic.BaseModel], where: str) -> str:
    """What is wrong in settings, a line a fault; an unknown key comes with the nearest known one."""
    lines = []
    for fault in error.errors():
        key = ".".join(map(str, fault["loc"]))
        if fault["type"] == "value_error":
            text = str(fault["ctx"]["error"])
            lines.append(f"{key}: {text}" if key else text)
        elif fault["type"] == "extra_forbidden":
            known = _keys(kind, fault["loc"][:-1])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "known here: " + ", ".join(known)
            lines.append(f"unknown key {key!r}: {hint}")
        else:
            lines.append(f"{key} = {fault['input']!r}: {fault['msg']}")
    return f"{where}: " + "; ".join(lines)


def _keys(kind: Any, path: tuple) -> list[str]:
    for name in path:
        kind = kind.model_fields[name].annotation
    return list(kind.model_fields)
