"""What rows and jobs say, for those who judge them. A row is read as JSON, with none of the factory's own types."""

import functools
import json
from typing import Any

from pipeline_core.ports import Blobs, Row
from pipeline_core.state.reading import cells
from pipeline_core.wire.job import JOB_LIMIT, BuildJob


def said_by(row: Row) -> Any:
    """The JSON of the row's value, which may take several cells; an empty object where it has none.

    Everybody who looks at the row gets the same object, so nobody may change it.
    """
    return _said(cells.joined(row.cells) or "{}")


def job_of(blobs: Blobs, digest: str) -> BuildJob:
    """The job that a container was given. Raises NotFound, and MalformedMessage if the content is another one.

    Everybody who looks at the job gets the same object, so nobody may change it.
    """
    return _job(blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT), digest)


@functools.lru_cache(maxsize=64)  # the platform and half a dozen judges look at each new container
def _job(content: bytes, digest: str) -> BuildJob:
    return BuildJob.from_wire(content, digest=digest)


@functools.lru_cache(maxsize=64)  # half a dozen judges look at each write, one right after another
def _said(text: str) -> Any:
    return json.loads(text)
