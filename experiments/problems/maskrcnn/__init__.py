"""Mask R-CNN as a problem, and the commands of a detector."""
