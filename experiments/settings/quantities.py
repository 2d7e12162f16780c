"""Large numbers as people read them."""


MACS_UNITS = ((1e9, "GMACs"), (1e6, "MMACs"), (1e3, "kMACs"), (1, "MACs"))


def macs_text(macs: float) -> str:
    """MACs with three digits: 1.23 GMACs, 272 MMACs, 4.5 kMACs."""
    size, unit = next((size, unit) for size, unit in MACS_UNITS if macs >= size or size == 1)
    return f"{macs / size:.3g} {unit}"
