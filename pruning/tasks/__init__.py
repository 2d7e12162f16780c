"""Tasks while a model is pruned: how each is weighed, measured, tracked, compared and bounded."""
