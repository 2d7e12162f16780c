"""Smaller numbers after fewer channels: int8, float16, clustered weights, and the way to other toolkits' training."""
