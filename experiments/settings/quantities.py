"""Large numbers as people read them."""


def macs_text(macs: float) -> str:
    """MACs with three digits: 1.23 GMACs, 272 MMACs, 4.5 kMACs."""
    for least, unit in ((1e9, "GMACs"), (1e6, "MMACs"), (1e3, "kMACs")):
        if macs >= least:
            return f"{macs / least:.3g} {unit}"
    return f"{macs:.3g} MACs"
