"""The load generator's process: one workload against one server, or the nodes of a cluster.

    python benchmarks/generator.py relay '{"ports": [8765], "pids": [4711], "pairs": 50, …}'

With `"redis": {"port": 6379, "pid": 4712}` what Redis did is measured too.
It prints one line of JSON: a `Result` for each figure.
"""

import gc
import json
import resource
import sys
from dataclasses import asdict

from cluster_workloads import CLUSTER_WORKLOADS
from load import Load, LoadError
from redis_figures import Redis
from wire import WireError
from workloads import WORKLOADS


def main() -> None:
    """Run the workload that the command line names."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # nothing here is cyclic, and a collection would stand in the latencies
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    redis = Redis(**place) if (place := arguments.pop("redis", None)) else None
    load = Load(arguments.pop("ports"), arguments.pop("pids"), redis)
    try:
        results = (WORKLOADS | CLUSTER_WORKLOADS)[name](load, **arguments)
    except (LoadError, WireError, OSError) as error:
        sys.exit(f"{name}: {error}")
    print(json.dumps({figure: asdict(result) for figure, result in results.items()}))


if __name__ == "__main__":
    main()
