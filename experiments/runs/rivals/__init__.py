"""What pruning has to beat: the dense network at less cost without pruning."""
