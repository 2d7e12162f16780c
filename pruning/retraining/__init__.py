"""Ways of training a pruned network again, and of making a dense one ready for the cut."""
