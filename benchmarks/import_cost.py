"""`python -m benchmarks.import_cost`: what importing the function app costs, over its frameworks alone.

Both are imported in processes of their own, several times, and the cheapest of each counts. The last line is JSON;
exit status 1 where the ratio is above its limit.
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
    """Measure, print, and say by the exit status whether the limit holds."""
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
