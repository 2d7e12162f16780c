"""How much each channel is worth: magnitude, gates, loss rise, and arbiters between tasks."""
