"""The smaller model: rebuilt, compiled as it was, its norms recalibrated."""
