"""`python -m benchmarks.recovery`: compares two recoveries of lost tables: derive them again, or load a copy of them.

Both ways run on the memory twins in one process, for each size of the fleet. Calls of ports are counted as Azure
bills them. CPU seconds are this machine's. The waiting time on Azure is calls times an assumed latency. Prices are
assumptions too, and are printed. The last line is JSON.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from benchmarks import counted_fleet, recovery_races, table_copy
from benchmarks.counted_fleet import CountedFleet, Way

# Assumed, not verified: US dollars for one call, and for a GB and month.
_PRICE = {"tables": 0.00036 / 10_000, "blob_writes": 0.055 / 10_000, "blob_reads": 0.0044 / 10_000}
_GB_MONTH = 0.02


def compare(images: int, *, releases: int, latency: float, copies_per_day: int) -> dict[str, Any]:
    """Both ways for one size of the fleet, and the cost of each way in normal operation."""
    begun = time.process_time()
    made = counted_fleet.settled(images, releases)
    settling = time.process_time() - begun
    full = counted_fleet.rows_of(made.world)
    begun = time.process_time()
    size = table_copy.export(made.world.ports.tables, made.world.ports.blobs, "copy")
    copying = time.process_time() - begun
    counted_fleet.lose(made.world)
    present = counted_fleet.derived(made)
    counted_fleet.lose(made.world)
    copy = counted_fleet.loaded(made, "copy")
    copy_calls = copy.all_calls
    return {
        "images": images,
        "settling_cpu_seconds": round(settling, 1),
        "rows": counted_fleet.kinds_of(full),
        "present": _facts(present, images, latency),
        "copy": _facts(copy, images, latency),
        "present_over_copy_calls": round(present.all_calls / copy_calls, 1),
        "present_over_copy_cpu": round(present.cpu_seconds / copy.cpu_seconds, 1),
        "rows_lost_by_present": counted_fleet.kinds_of(full - present.rows),
        "rows_lost_by_copy": counted_fleet.kinds_of(full - copy.rows),
        "one_copy": {**asdict(size), "cpu_seconds": round(copying, 2)},
        "day_of_copies": _copies(size, copies_per_day),
        "day_of_present": _present_day(made, images),
    }


def _facts(way: Way, images: int, latency: float) -> dict[str, Any]:
    return {
        "cpu_seconds": round(way.cpu_seconds, 2),
        "calls": dict(way.calls),
        "calls_per_image": round(way.all_calls / images, 1),
        "assumed_minutes_on_azure": round(way.all_calls * latency / 60, 1),
        "requests": way.steps,
        "problems": way.problems,
    }


def _copies(size: table_copy.Size, per_day: int) -> dict[str, float]:
    """Queries and blobs of a day, and their price. `kept_gb` is the size of a month of copies."""
    kept = size.stored * per_day * 30 / 1e9
    calls = size.pages * per_day
    dollars = calls * (_PRICE["tables"] + _PRICE["blob_writes"]) + kept * _GB_MONTH / 30
    return {"calls": 2 * calls, "kept_gb": round(kept, 3), "dollars": round(dollars, 5)}


def _present_day(made: CountedFleet, images: int) -> dict[str, float]:
    """The entries of one publication of each image in a month, and a scan in each sweep."""
    blobs = images / 30
    dollars = 144 * _PRICE["tables"] + blobs * _PRICE["blob_writes"]
    written = [
        facts.size
        for facts in made.world.ports.blobs.list("definitions", "chronicle/images/", limit=1_000_000)
    ]
    return {
        "calls": round(144 + blobs, 1),
        "entries": len(written),
        "entry_bytes": round(sum(written) / max(1, len(written))),
        "dollars": round(dollars, 5),
    }


def main(words: list[str] | None = None) -> int:
    """Print the figures."""
    options = _parser().parse_args(words)
    sizes = [int(size) for size in options.images.split(",")]
    fleets = [
        compare(size, releases=options.releases, latency=options.latency, copies_per_day=options.copies)
        for size in sizes
    ]
    facts = {
        "assumed": {
            "latency_seconds": options.latency,
            "prices_in_dollars": {**_PRICE, "gb_month": _GB_MONTH},
        },
        "fleets": fleets,
        "changes_behind_the_copy": recovery_races.acknowledged(),
        "stale_copy": recovery_races.stale(options.races),
        "torn_copy": recovery_races.torn(options.torn),
    }
    for made in fleets:
        sys.stdout.write(_line(made) + "\n")
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


def _line(made: dict[str, Any]) -> str:
    present, copy = made["present"], made["copy"]
    return (
        f"{made['images']:>6} images: present {present['calls_per_image']} calls an image,"
        f" {present['cpu_seconds']} s CPU, {present['requests']} requests;"
        f" copy {copy['calls_per_image']} calls an image,"
        f" {copy['cpu_seconds']} s CPU; ratio of calls {made['present_over_copy_calls']},"
        f" of CPU {made['present_over_copy_cpu']}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument(
        "--images",
        default="100,1000",
        help="sizes of fleets; 1000 take over a minute of CPU, 10000 about a quarter of an hour",
    )
    parser.add_argument(
        "--releases", type=int, default=1, help="releases that each fleet was built for, 0 to 4"
    )
    parser.add_argument("--races", type=int, default=60, help="images of the fleets with an old copy")
    parser.add_argument(
        "--torn", type=int, default=300, help="images of the fleet that is copied during its builds"
    )
    parser.add_argument("--copies", type=int, default=24, help="copies a day")
    parser.add_argument("--latency", type=float, default=0.02, help="assumed seconds of one call on Azure")
    return parser


if __name__ == "__main__":
    sys.exit(main())
