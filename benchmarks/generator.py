"""The load generator's process: one workload against one server.

    python benchmarks/generator.py relay '{"port": 8765, "pid": 4711, "pairs": 50, …}'

It prints one line of JSON: a `Result` for each figure.
"""

import gc
import json
import resource
import sys
from dataclasses import asdict

from load import Load, LoadError
from wire import WireError
from workloads import WORKLOADS


def main() -> None:
    """Run the workload that the command line names."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # nothing here is cyclic, and a collection would stand in the latencies
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    load = Load(arguments.pop("port"), arguments.pop("pid"))
    try:
        results = WORKLOADS[name](load, **arguments)
    except (LoadError, WireError, OSError) as error:
        sys.exit(f"{name}: {error}")
    print(json.dumps({figure: asdict(result) for figure, result in results.items()}))


if __name__ == "__main__":
    main()
