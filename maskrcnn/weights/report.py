"""What became of every tensor when foreign weights were loaded."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class WeightReport:
    """Names of tensors, in the foreign format.

    Attributes:
        matched: loaded, or written.
        unused: in the file, with no place in the model.
        missing: the model has a place for it, the file has not got it.
        skipped: left out because they depend on the classes, as was asked; their places are not counted as missing.
        notes: of weights that were written: what whoever reads them has to set, or cannot have.
    """

    matched: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self):
        counts = f"{len(self.matched)} tensors matched, {len(self.unused)} unused, {len(self.missing)} missing"
        lines = [counts + (f", {len(self.skipped)} skipped" if self.skipped else "")]
        lines += [f"  skipped  {name}: depends on the classes" for name in self.skipped]
        lines += [f"  unused   {name}" for name in self.unused]
        lines += [f"  missing  {name}" for name in self.missing]
        lines += [f"  note     {note}" for note in self.notes]
        return "\n".join(lines)
