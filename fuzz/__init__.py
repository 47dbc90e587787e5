"""Input that nobody thought of: what makes the server do what it must not."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Transports in memory and what short ways are held against: the tests have them.
sys.path.append(str(ROOT / "tests"))
