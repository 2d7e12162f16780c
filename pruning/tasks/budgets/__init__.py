"""What each task may lose: a surrogate, a search with short fine-tunes, a guard in training."""
