"""The README's ports are chosen as the benchmark's are: `bench` is imported from the checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
