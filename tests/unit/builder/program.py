"""A builder in a process of its own, on a folder instead of Azure: `program.py ROOT WORK`, settings in the
environment. For tests of signals."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from builder.attempt import Attempt
from builder.settings import BuilderSettings
from builder.stop import StopRequest
from builder.work import AttemptContext
from tests.unit.builder.fakes import FolderBlobs, FolderEvents


def main() -> int:
    stop = StopRequest()
    stop.install()
    root = Path(sys.argv[1])
    context = AttemptContext(
        blobs=FolderBlobs(root),
        events=FolderEvents(root),
        stop=stop,
        now=lambda: datetime.now(UTC),
        echo=lambda line: print(line, flush=True),
        environ=os.environ,
        folder=Path(sys.argv[2]),
    )
    return Attempt(BuilderSettings.read(os.environ), context).run().value


if __name__ == "__main__":
    sys.exit(main())
