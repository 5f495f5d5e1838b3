"""Says that a unit ended badly, and corrects its report where its run could not: it was killed, or took too long.

systemd starts this by OnFailure= and gives the result of the unit in MONITOR_ variables (systemd.exec, since 251).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from postdeploy import events, files, host, report

_PROGRAMS = {"certlc-run.service": "certlc", "agent-enroll.service": "enrol"}


def main(arguments: Sequence[str]) -> int:
    """Report one unit. Returns 0: this must not fail in its turn."""
    options = host.parser("Report that a unit of the post-deployment failed.")
    options.add_argument("unit", choices=sorted(_PROGRAMS))
    chosen = options.parse_args(arguments)
    program = _PROGRAMS[chosen.unit]
    path = report.path_of(host.of(chosen), program)
    status = files.read_json(path)
    result = os.environ.get("MONITOR_SERVICE_RESULT", "unknown")
    if status.get("result") == "running":
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        rows = int(status.get("failuresInARow") or 0) + 1
        files.write_json(
            path,
            {**status, "result": "failed", "reasons": [result], "ended": ended, "failuresInARow": rows},
            mode=0o644,
        )
        status = files.read_json(path)
    events.say(
        "alert",
        "error",
        program=program,
        unit=chosen.unit,
        result=result,
        exit=os.environ.get("MONITOR_EXIT_STATUS"),
        reasons=",".join(status.get("reasons") or []) or None,
        failures_in_a_row=status.get("failuresInARow"),
    )
    return 0
