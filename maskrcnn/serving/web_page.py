"""The page at `/`, and the header that keeps it from loading or sending anything elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

HTML = files("maskrcnn.serving").joinpath("page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """What allows the page's own scripts or styles, and no other: Content Security Policy, level 3."""
    inside = re.findall(rf"<{tag}>(.*?)</{tag}>", HTML, flags=re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(x.encode()).digest()).decode()}'" for x in inside)


HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
