"""What a user can mend."""

from __future__ import annotations


class UserError(Exception):
    """A mistake that the user can mend: commands show it as one message, without a traceback."""
