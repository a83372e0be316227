"""How fast it is on this machine; figures are worth most as ratios within one run.

scripts/bench ingest    readings/s acknowledged after fsync, and CPU seconds a million
scripts/bench latency   how long an acknowledgement takes at a tenth of the peak load
scripts/bench drain     readings/s of an agent with a backlog of small batches, 2 ms from its collector
scripts/bench agent     memory and CPU of an agent with ten series at 1 Hz, and of `check`
scripts/bench sensors   CPU and memory of an agent with many sensors of the kernel's at 1 Hz
scripts/bench edges     how long an edge takes from its pin to the collector's store
scripts/bench compare   the same work with InfluxDB and VictoriaMetrics, as a table of ratios
scripts/bench arm       start-up and memory of the arm64 packages under qemu-user, against amd64
"""

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks import agent, arm, compare, drain, edges, ingest, latency, sensors


def main(argv: Sequence[str] | None = None) -> int:
    """Run one benchmark and print its table, as JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the raw figures of every round")
    which = parser.add_subparsers(dest="which", required=True, metavar="WHICH")
    modules = (ingest, latency, drain, agent, sensors, edges, compare, arm)
    for module in modules:
        module.arguments(which.add_parser(module.NAME, help=module.HELP))
    options = parser.parse_args(argv)
    module = {each.NAME: each for each in modules}[options.which]
    figures = module.run(options)
    print(json.dumps(figures, indent=2) if options.json else "\n".join(module.lines(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
