"""The second stage around the network: regions read, sampled, answered about and pasted. No weights."""
