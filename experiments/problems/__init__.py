"""The problems that ship, and what makes a problem of a Functional model. Only here is a network known."""
