"""From samples to training batches: augmentation, the batch, and the pipeline that makes it."""
