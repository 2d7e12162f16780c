"""Detection, call after call, holds no more memory."""

from pathlib import Path

import numpy as np
import pytest

STATUS = Path("/proc/self/status")
CALLS, GROWTH = 500, 16e6  # bytes: allocators keep a little; one picture's maps and masks a call would be 40 times that


def resident() -> int:
    """Bytes of memory that the process holds."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the system does not say what a process holds")
def test_500_detections_hold_no_more_than_50(tiny):
    model = tiny(detection_min_score=0.0, min_size=128, max_size=128)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((128, 128), (96, 160), (400, 300))]

    def detect(calls):
        for number in range(calls):
            model.detect(pictures[number % len(pictures)])
        return resident()

    after_50 = detect(50)
    assert detect(CALLS - 50) - after_50 < GROWTH
