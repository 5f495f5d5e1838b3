"""`python -m benchmarks.emulator_latency`: the time of an answer of the ARM emulator, and of a recorded Packer's start.

The answer is on a kept connection. With Nagle's delay, each answer waits 40 ms for the next packet. So the first ratio
is the fastest answer divided by that delay. The second ratio is the fastest start of the recorded Packer divided by the
fastest start of a Python that does nothing. The last line is JSON. The exit status is 1 if a ratio is above its limit.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import requests

from local.arm import launch

DELAY: Final = 0.04  # seconds; Nagle's delay on Linux
LIMIT: Final = 0.75  # times the delay
START_LIMIT: Final = 25.0  # times the start of a Python that does nothing
CALLS: Final = 10
STARTS: Final = 5


def main() -> int:
    """Measure and print. The exit status is 0 if both limits hold, else 1."""
    with tempfile.TemporaryDirectory(prefix="arm-") as folder, launch.start(Path(folder)) as arm:
        times = sorted(_times(arm))
        start = _fastest_start(arm.packer, "version")
        bare = _fastest_start(sys.executable, "-S", "-c", "pass")
    ratio, start_ratio = times[0] / DELAY, start / bare
    facts = {
        "fastest_ms": round(times[0] * 1000, 2),
        "median_ms": round(times[len(times) // 2] * 1000, 2),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
        "packer_start_ms": round(start * 1000, 2),
        "python_start_ms": round(bare * 1000, 2),
        "start_ratio": round(start_ratio, 2),
        "start_limit": START_LIMIT,
    }
    print(json.dumps(facts))
    return 0 if ratio <= LIMIT and start_ratio <= START_LIMIT else 1


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


def _fastest_start(*command: str) -> float:
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
