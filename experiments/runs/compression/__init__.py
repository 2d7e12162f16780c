"""A run's last model in fewer bits: its stages, LiteRT files, and the training of tensorflow-model-optimization."""
