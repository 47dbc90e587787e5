"""Builds the pages: `python docs/build_pages.py FOLDER`. Every warning is an error."""

import sys
from pathlib import Path

from sphinx.cmd.build import main

FOLDER = Path(__file__).parent
STRICT = ("--fail-on-warning", "--nitpicky", "--keep-going")

if __name__ == "__main__":
    source = str(FOLDER.parent)
    sys.exit(main(["--quiet", *STRICT, "--conf-dir", str(FOLDER), source, sys.argv[1]]))
