"""Detection: from a picture to what is found in it, and that outlined and drawn."""
