"""One build per input: what decides an image's content, and the SHA-256 of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import canonical
from pipeline_core.domain.names import Digest, Fingerprint, ImageName, RebuildToken
from pipeline_core.domain.sources import OriginVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInputs:
    """Everything that decides a build's content, and nothing else.

    `recipe` digests the part of the definition that shapes the image; `platform` the steps that a team
    cannot skip; `catalog` holds (id, version, sha256) of each staged tool; `period` is when the interval of
    the image's `maxAge` began; `token` is the id of the request that asked for a build of unchanged inputs.
    """

    image: ImageName
    recipe: Digest
    bundle: Digest
    origin: OriginVersion
    platform: Digest
    catalog: tuple[tuple[str, str, str], ...] = ()
    period: int = 0
    token: RebuildToken | None = None


def fingerprint(inputs: BuildInputs) -> Fingerprint:
    """The SHA-256 over a canonical form; the order of catalog entries does not enter."""
    decisive = {
        "bundle": str(inputs.bundle),
        "catalog": sorted(inputs.catalog),
        "image": str(inputs.image),
        "origin": str(inputs.origin),
        "period": inputs.period,
        "platform": str(inputs.platform),
        "recipe": str(inputs.recipe),
        "token": None if inputs.token is None else str(inputs.token),
    }
    return Fingerprint(sha256_of(decisive))


def sha256_of(value: object) -> str:
    """Hexadecimal SHA-256 of a JSON value in canonical form: sorted keys, no white space, UTF-8."""
    return hashlib.sha256(canonical.text(value)).hexdigest()


def refresh_period(root: ImageName, now: datetime, max_age: timedelta | None) -> int:
    """When the interval of `max_age` that `now` lies in began, in seconds since the epoch; 0 without `max_age`.

    A moment, not a count: a period never goes back, and counts of longer intervals are lower, so that a count
    would end the refreshes of an image whose `max_age` is lengthened. Each root has a phase of its own, so that
    a fleet does not refresh at one moment. A child takes its root's phase: the root's refresh and the child's
    then fall together and cost one cascade.
    """
    if max_age is None:
        return 0
    seconds = int(max_age.total_seconds())
    phase = int(hashlib.sha256(str(root).encode()).hexdigest()[:8], 16) % seconds
    return (int(now.timestamp()) + phase) // seconds * seconds - phase
