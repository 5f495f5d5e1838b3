"""`python -m benchmarks.growth`: the growth table. Counts of one run; the last line is JSON.

`--rows TEXT` runs the rows whose name contains the text. `--most N` leaves out larger fleets.
"""

import argparse
import json
import sys
import time

from benchmarks.growth.scenarios import SCENARIOS


def main(words: list[str] | None = None) -> int:
    """Print each row as soon as it is counted."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__)
    parser.add_argument("--rows", default="", help="only rows whose name contains this text")
    parser.add_argument("--most", type=int, default=10_000, help="the largest fleet")
    wanted = parser.parse_args(words)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, (scenario, sizes) in SCENARIOS.items():
        if wanted.rows not in name:
            continue
        for size in sizes:
            if size > wanted.most:
                continue
            started = time.process_time()
            figures = scenario(size)
            found.setdefault(name, {})[str(size)] = figures
            seconds = time.process_time() - started
            shown = ", ".join(f"{key} {value:g}" for key, value in figures.items())
            print(f"{name} at {size}: {shown} ({seconds:.0f} s CPU)", flush=True)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
