"""Small worlds, the textbook's max-min and the benchmark are used from where they are."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent / "engine"), str(ROOT / "tests" / "throttle"), str(ROOT)]
