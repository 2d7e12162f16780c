"""From a recipe to finished runs: the grid, the model of a seed, the stages of a run, and what is kept of them."""
