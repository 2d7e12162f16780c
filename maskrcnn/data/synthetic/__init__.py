"""Drawn pictures with exact masks, for tests and for sweeps that need no download."""
