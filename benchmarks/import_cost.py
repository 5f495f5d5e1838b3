"""`python -m benchmarks.import_cost`: the cost of importing the function app, compared with its frameworks alone.

Each import runs several times in its own process, and the cheapest run of each counts. The last line is JSON. The exit
status is 1 if the ratio is above its limit.
"""

import json
import subprocess
import sys
from typing import Final

LIMIT: Final = 1.2  # times the frameworks alone
ROUNDS: Final = 3
APP: Final = "function_app"
FRAMEWORKS: Final = "azure.functions, fastapi, pydantic"


def main() -> int:
    """Measure and print. The exit status is 0 if the limit holds, else 1."""
    frameworks, app = (min(_seconds(modules) for _ in range(ROUNDS)) for modules in (FRAMEWORKS, APP))
    ratio = app / frameworks
    facts = {
        "app_cpu_seconds": round(app, 3),
        "frameworks_cpu_seconds": round(frameworks, 3),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
    }
    print(json.dumps(facts))
    return 0 if ratio <= LIMIT else 1


def _seconds(modules: str) -> float:
    code = f"import time; t = time.process_time(); import {modules}; print(time.process_time() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
