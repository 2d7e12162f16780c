"""What removing parts of a Mask R-CNN gains: see experiments/problems/detector_speed/removal_speed.py."""

from experiments.commands import guarded
from experiments.problems.detector_speed.removal_speed import main

if __name__ == "__main__":
    guarded(main)
