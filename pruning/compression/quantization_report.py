"""What was compressed in a model and what was not, layer by layer, with the reason."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LayerPrecision:
    """One layer of a compressed model.

    Attributes:
        layer: its path, "features/conv1".
        kind: its class.
        quantized: whether it holds, or computes in, fewer bits than before.
        weights: numbers that it holds.
        stored: how, such as "int8 per output channel"; empty where it holds none.
        result: how its result leaves it, such as "int8 in [-1.2, 3.4]"; empty where nothing rounds it.
        reason: why it is not quantized, or what else there is to say.
    """

    layer: str
    kind: str
    quantized: bool
    weights: int = 0
    stored: str = ""
    result: str = ""
    reason: str = ""


@dataclass(frozen=True)
class QuantizationReport:
    """Every layer of a compressed model; prints as a table of those that hold weights.

    Attributes:
        how: what was done, such as "int8".
        rows: LayerPrecision of every layer, in order.
    """

    how: str
    rows: tuple[LayerPrecision, ...]

    @property
    def quantized(self) -> tuple[LayerPrecision, ...]:
        """Layers that hold, or compute in, fewer bits."""
        return tuple(row for row in self.rows if row.quantized)

    @property
    def skipped(self) -> tuple[LayerPrecision, ...]:
        """Layers that stay as they were, each with its reason."""
        return tuple(row for row in self.rows if not row.quantized)

    @property
    def share(self) -> float:
        """Fraction of all weights that lie in layers that are quantized."""
        return sum(row.weights for row in self.quantized) / max(1, sum(row.weights for row in self.rows))

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON; written to a file where a path is given."""
        content = {"how": self.how, "share_of_weights": self.share, "rows": list(map(dataclasses.asdict, self.rows))}
        text = json.dumps(content, indent=1) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def __str__(self) -> str:
        held = [row for row in self.rows if row.weights]
        width = max([len(row.layer) for row in held], default=0) + 2
        lines = [
            f"{self.how}: {100 * self.share:.1f} % of {sum(row.weights for row in held):,} weights, in "
            f"{sum(row.quantized for row in held)} of {len(held)} layers that hold any"
        ]
        for row in held:
            told = ", ".join(filter(None, [row.stored, row.result and f"result {row.result}", row.reason]))
            lines.append(f"{row.layer:<{width}}{row.kind:<24}{row.weights:>12,}  {told}")
        return "\n".join(lines)
