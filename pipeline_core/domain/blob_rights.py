"""What the container of one attempt may do with blobs: with which ones, for how long, and nothing else.

A token gives these rights (ADR 33). It names single blobs, so the names of all files that a builder writes are here.
This module must not know how a token is made or checked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain import attempts
from pipeline_core.domain.names import Digest

# The container of tools that were admitted: a blob is named by the SHA-256 of its content. Only the factory writes it.
CATALOG = "catalog"
# Files of evidence, as the builder names them. No other file can be written.
MANIFEST = "manifest.json"
GOSS, SMOKE, HYGIENE = "goss.json", "smoke.json", "hygiene.json"
SCAN, SCAN_PAGE = "xccdf.xml.gz", "report.html.gz"
PACKAGES, ADVISORIES, SBOM = "packages.json", "advisories.json", "sbom.cdx.json"
EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "build": (MANIFEST,),
    "verify": (GOSS, SMOKE, HYGIENE, SCAN, SCAN_PAGE, PACKAGES, ADVISORIES, SBOM),
}

# A token outlives the time of its stage by this much. The driver gives up a container that has not begun 50 minutes
# after its creation (10 minutes of silence, 30 of waiting, two looks), and one that has run 30 minutes too long, which
# a further look may find. No builder needs a token after that.
MARGIN = timedelta(minutes=90)
# The exit code of a builder whose token has ended before its report: nothing else can tell it.
ENDED_EXIT = 3


@unique
class BlobRight(Enum):
    """What a token allows with one blob. None of them replaces or deletes a blob."""

    READ = "read"  # its content and properties
    CREATE = "create"  # write it while it does not exist
    APPEND = "append"  # add to an append blob


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BlobPlace:
    """One blob of the factory's storage account."""

    container: str
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"


BlobRights = Mapping[BlobPlace, frozenset[BlobRight]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobToken:
    """Rights that end at `until`, as the platform's query strings: one part for all blobs, and one for each blob.

    The parts of the blobs are secrets. They never enter a text that is kept or shown.
    """

    until: datetime
    shared: str = field(repr=False)
    own: Mapping[BlobPlace, str] = field(repr=False)


_READ = frozenset({BlobRight.READ})
_WRITE_ONCE = frozenset({BlobRight.READ, BlobRight.CREATE})
_WRITE_ON = frozenset({BlobRight.READ, BlobRight.CREATE, BlobRight.APPEND})


def tool_place(sha256: str) -> BlobPlace:
    """Where the file of an admitted tool is."""
    return BlobPlace(container=CATALOG, name=sha256)


def rights_of(
    folder: str, stage: str, *, job: Digest, bundles: tuple[Digest, ...], tools: Iterable[str] = ()
) -> BlobRights:
    """What the attempt with this folder needs: its inputs to read, and the files of its own folder to write.

    `bundles` are the team's and the platform's, `tools` the SHA-256 of each file that the job takes from the catalog.

    READ of a file that it writes is needed to recognise the own write whose answer was lost.
    """
    inputs = [BlobPlace(container="jobs", name=f"{job}.json")]
    inputs += [BlobPlace(container="bundles", name=f"{digest}.tar.gz") for digest in bundles]
    inputs += map(tool_place, tools)
    files = (attempts.STARTED, attempts.REPORT, *EVIDENCE[stage])
    return {
        **dict.fromkeys(inputs, _READ),
        **dict.fromkeys(
            (BlobPlace(container="builds", name=f"{folder}/{name}") for name in files), _WRITE_ONCE
        ),
        BlobPlace(container="builds", name=f"{folder}/{attempts.LOG}"): _WRITE_ON,
    }


def ends_at(now: datetime, stage: str, timeout: timedelta) -> datetime:
    """When the token of an attempt that is created now ends. `timeout` is the definition's time for its steps."""
    return now + needed_for(stage, timeout) + MARGIN


def needed_for(stage: str, timeout: timedelta) -> timedelta:
    """How long a stage runs at most, from the start of its container."""
    return timeout + attempts.AFTER_STEPS[stage]
