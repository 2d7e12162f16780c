"""What all plots are made of: the house style, means with their bands, and the figure with its caption."""
