"""Models of other packages, pruned as they come (wants the extra `zoo`)."""
