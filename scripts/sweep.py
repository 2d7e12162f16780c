"""`taskprune sweep`, from a checkout: see experiments/commands."""

from experiments.commands import main

if __name__ == "__main__":
    main("sweep")
