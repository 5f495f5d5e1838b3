"""One line for each event, as `event=NAME key=value ...`. The unit sends it to the journal.

The journal takes the level from the prefix `<N>` of a line. A value of a secret must never be given to `say`.
"""

from __future__ import annotations

import json
import os
import re
import sys

_LEVELS = {"error": 3, "warning": 4, "info": 6}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,-]+", re.ASCII)


def say(event: str, level: str = "info", **facts: object) -> None:
    """Write one line. A value with other characters than a name has is quoted as in JSON."""
    words = [
        f"event={event}",
        *(f"{key}={_shown(value)}" for key, value in facts.items() if value is not None),
    ]
    prefix = f"<{_LEVELS[level]}>" if "JOURNAL_STREAM" in os.environ else ""
    sys.stdout.write(f"{prefix}{' '.join(words)}\n")
    sys.stdout.flush()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
