"""The commands of a detector: detect, export, inspect, serve, and the survey of its data."""
