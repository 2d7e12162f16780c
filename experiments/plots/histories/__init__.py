"""Plots over the updates of a training."""
