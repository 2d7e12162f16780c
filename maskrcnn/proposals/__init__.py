"""The first stage around the network: anchors, their targets, and proposals from the RPN's answers. No weights."""
