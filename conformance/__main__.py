"""`make conformance`: every case passes, or the exit status says that one does not."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from conformance import environment, report, suite

FAILED = 1
NO_PYTHON = 3
NOT_INSTALLED = 4
NOT_RUN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument(
        "--cases", nargs="+", metavar="CASE", help="what to run, such as 7.* or 1.1.1; default: all"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="keep the suite's reports there (index.html)"
    )
    options = parser.parse_args(arguments)
    groups = {} if options.cases else suite.GROUPS
    try:
        python = environment.ready()
        began = time.monotonic()
        cases = suite.run(
            python, options.cases or [f"{group}.*" for group in groups], options.report
        )
    except environment.NoPython27 as error:
        return _cannot(error, NO_PYTHON)
    except environment.CannotInstall as error:
        return _cannot(error, NOT_INSTALLED)
    except suite.SuiteFailed as error:
        return _cannot(error, NOT_RUN)
    wrong = [*report.missing(cases, groups), *report.failures(cases)]
    for line in wrong:
        print(line)
    print(f"The Autobahn|Testsuite took {time.monotonic() - began:.0f} s:")
    print(report.summary(cases))
    return FAILED if wrong or not cases else 0


def _cannot(error: Exception, status: int) -> int:
    print(f"conformance: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
