"""How much figures differ by chance, from a noise pilot: taskprune noise results/noise_pilot

Prints, for every measure, the standard deviation of the dense models over seeds, of one fine-tuning repeated, and of
what pruning costs against the dense control of the same seed; and the smallest mean cost that so many seeds tell from
none (two-sided t at 95 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro


def main(arguments: Sequence[str]) -> int:
    def command(folder: Annotated[Path, tyro.conf.Positional]) -> Path:
        """Show the noise.

        Args:
            folder: of the pilot's sweep.
        """
        return folder

    folder = tyro.cli(command, args=arguments, prog="taskprune noise", description=__doc__)
    from experiments.table.claims.noise import noise
    from experiments.table.sweep_data import read

    print(noise(read(folder)).round(4).to_string())
    return 0
