"""What became of every tensor when foreign weights were loaded."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class WeightReport:
    """Names of tensors, in the foreign format.

    Attributes:
        matched: loaded.
        unused: in the file, with no place in the model.
        missing: the model has a place for it, the file has not got it.
    """

    matched: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self):
        lines = [f"{len(self.matched)} tensors matched, {len(self.unused)} unused, {len(self.missing)} missing"]
        lines += [f"  unused   {name}" for name in self.unused]
        lines += [f"  missing  {name}" for name in self.missing]
        return "\n".join(lines)
