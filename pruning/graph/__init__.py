"""What lives or dies together: from a Functional model to coupled groups of channels."""
