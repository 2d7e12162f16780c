"""What each layer type does to channels."""
