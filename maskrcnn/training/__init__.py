"""What `fit` and its training step are made of: arguments, sampled answers, and several devices."""
