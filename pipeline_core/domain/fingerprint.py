"""One build per input: what decides an image's content, and the SHA-256 of it."""

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import canonical
from pipeline_core.domain.names import Digest, Fingerprint, ImageName, RebuildToken
from pipeline_core.domain.sources import OriginVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInputs:
    """Everything that decides a build's content, and nothing else.

    `recipe` is the digest of the part of the definition that shapes the image, `platform` of the steps that a
    team cannot skip. `catalog` holds (id, version, sha256) of each staged tool. `period` is when the interval of
    the image's `maxAge` began. `token` is the id of the request that asked for a build of unchanged inputs.
    """

    image: ImageName
    recipe: Digest
    bundle: Digest
    origin: OriginVersion
    platform: Digest
    catalog: tuple[tuple[str, str, str], ...] = ()
    period: int = 0
    token: RebuildToken | None = None


@functools.lru_cache(maxsize=2048)  # each sweep asks for every image again, and few inputs have changed
def fingerprint(inputs: BuildInputs) -> Fingerprint:
    """The SHA-256 over a canonical form; the order of catalog entries does not matter."""
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
    """The start of the interval of `max_age` that contains `now`, in seconds since the epoch; 0 without `max_age`.

    It is a moment and not a count, because a period never goes back. Longer intervals have lower counts: a count
    would end the refreshes of an image whose `max_age` becomes longer. Each root has its own phase, so that a fleet
    does not refresh at one moment. A child takes its root's phase: both refreshes then come together and cost one
    cascade.
    """
    if max_age is None:
        return 0
    seconds = int(max_age.total_seconds())
    phase = int(hashlib.sha256(str(root).encode()).hexdigest()[:8], 16) % seconds
    return (int(now.timestamp()) + phase) // seconds * seconds - phase
