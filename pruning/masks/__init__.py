"""Silencing channels, and holding them silent while a model trains."""
