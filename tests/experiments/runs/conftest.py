"""Other processes must find fake_runs, and so must the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
