"""Training that resumes exactly: the loop, learning rates, the state of a model, its history and measures."""
