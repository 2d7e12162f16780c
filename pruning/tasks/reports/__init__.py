"""What tasks need of a model: agreement, conflict, sensitivity, and the ratios that follow."""
