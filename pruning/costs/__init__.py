"""What a model costs: parameters, MACs, bytes and latency."""
