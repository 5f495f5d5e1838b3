"""What rows and jobs say, for those who judge them. A row is read as JSON, with none of the factory's own types."""

import functools
import json
from dataclasses import dataclass
from typing import Any

from pipeline_core.ports import Blobs, Row
from pipeline_core.state.reading import cells
from pipeline_core.wire.job import JOB_LIMIT, BuildJob


def said_by(row: Row) -> Any:
    """The JSON of the row's value, which may take several cells; an empty object where it has none.

    Everybody who looks at the row gets the same object, so nobody may change it.
    """
    return _said(cells.joined(row.cells) or "{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsInForce:
    """The platform steps in force and those on trial, as the row of the platform has them, and the trial's images."""

    in_force: object
    on_trial: object
    canaries: frozenset[str]

    @classmethod
    def said_by(cls, row: Row) -> "StepsInForce":
        """What a row of the platform says; one of a release without trials has none."""
        said = said_by(row)
        trial = said.get("trial") or {"digest": None, "images": ()}
        images = frozenset(each["value"] for each in trial["images"])
        return cls(in_force=said["digest"], on_trial=trial["digest"], canaries=images)

    def of(self, image: str) -> object:
        """What the image is to be built with: the steps on trial for a canary, else those in force."""
        return self.on_trial if image in self.canaries else self.in_force


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
