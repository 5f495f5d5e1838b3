"""`python -m benchmarks.emulator_latency`: how long one answer of the ARM emulator takes on a kept connection.

With Nagle's delay, each answer waits 40 ms for the next packet. So the ratio is the fastest answer divided by that
delay. The last line is JSON. The exit status is 1 if the fastest answer is above its limit.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import requests

from local.arm import launch

DELAY: Final = 0.04  # seconds; Nagle's delay on Linux
LIMIT: Final = 0.75  # times the delay
CALLS: Final = 10


def main() -> int:
    """Measure and print. The exit status is 0 if the limit holds, else 1."""
    with tempfile.TemporaryDirectory(prefix="arm-") as folder, launch.start(Path(folder)) as arm:
        times = sorted(_times(arm))
    ratio = times[0] / DELAY
    facts = {
        "fastest_ms": round(times[0] * 1000, 2),
        "median_ms": round(times[len(times) // 2] * 1000, 2),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
    }
    print(json.dumps(facts))
    return 0 if ratio <= LIMIT else 1


def _times(arm: launch.RunningArm) -> list[float]:
    path = f"{arm.arm}/subscriptions/{arm.subscription_id}?api-version=2022-12-01"
    headers = {"Authorization": f"Bearer {arm.token('benchmark', 'https://management.azure.com')}"}
    times = []
    with requests.Session() as session:
        for _ in range(CALLS):
            began = time.perf_counter()
            answer = session.get(path, headers=headers, verify=str(arm.ca_file), timeout=10)
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
    return times


if __name__ == "__main__":
    sys.exit(main())
