"""Reads a live version from Azure itself, with the consumer's own sign-in, so that no other party is trusted."""

import json
import re
from dataclasses import dataclass

import requests

from imagefactory.bearer import Bearer, is_loopback
from imagefactory.failures import CommandRefused, Misused, Unreachable
from pipeline_core.domain.proofs import VersionFacts, VersionInGallery, parse_published

ARM = "https://management.azure.com"
_API_VERSION = "2024-03-03"
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two bytes
_LIMIT = 1024 * 1024  # bytes of an answer
_ID = re.compile(
    r"/subscriptions/[^/?#%]+/resourceGroups/[^/?#%]+/providers/Microsoft\.Compute"
    r"/galleries/[^/?#%]+/images/([^/?#%]+)/versions/([^/?#%]+)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionId:
    """The resource id of a version, with what it says about itself."""

    text: str
    image: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "VersionId":
        """Raise Misused where the text is not such an id."""
        found = _ID.fullmatch(text.strip())
        if found is None:
            raise Misused(
                f"--gallery-version-id {text[:200]!r} is not an id of a version: give /subscriptions/.../resourceGroups"
                "/.../providers/Microsoft.Compute/galleries/.../images/.../versions/..."
            )
        return cls(text=found[0], image=found[1].lower(), version=found[2])


def read_version(identity: VersionId, token: str, *, arm: str, ca_file: str) -> VersionInGallery:
    """A version as Azure shows it; raises CommandRefused where Azure shows none, Unreachable without an answer."""
    try:
        with requests.Session() as session:
            session.trust_env = not is_loopback(arm)  # a proxy would see a token that is sent to this machine
            answer = session.get(
                f"{arm}{identity.text}",
                params={"api-version": _API_VERSION},
                auth=Bearer(token),
                timeout=_TIMEOUT,
                allow_redirects=False,
                verify=ca_file or True,
                stream=True,
            )
            content = _bounded(answer)
    except (requests.exceptions.RequestException, OSError) as error:
        raise Unreachable(f"{arm} does not answer: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise CommandRefused(
            f"Azure does not show {identity.text} ({answer.status_code}): check that it exists and you may read it",
            status=answer.status_code,
        )
    return _version_of(content, identity)


def _bounded(answer: requests.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(16 * 1024):
        content += chunk
        if len(content) > _LIMIT:
            raise Unreachable(f"Azure answered with more than {_LIMIT:,} bytes")
    return bytes(content)


def _version_of(content: bytes, identity: VersionId) -> VersionInGallery:
    """The tags and facts of an answer (GalleryImageVersion_Get in azure-rest-api-specs)."""
    try:
        body = json.loads(content)
        properties = body.get("properties") or {}
        storage = properties.get("storageProfile") or {}
        return VersionInGallery(
            subject=identity.text,
            image=identity.image,
            version=identity.version,
            tags={str(name): str(value) for name, value in (body.get("tags") or {}).items()},
            facts=VersionFacts(
                source=str((storage.get("source") or {}).get("id") or ""),
                published_at=parse_published(
                    (properties.get("publishingProfile") or {}).get("publishedDate")
                ),
                disk_gb=size_of((storage.get("osDiskImage") or {}).get("sizeInGB")),
            ),
        )
    except (ValueError, AttributeError, RecursionError) as error:
        raise Unreachable("the answer of Azure is not a version") from error


def size_of(shown: object) -> int | None:
    """The GB of a disk, or None for what is not a size."""
    return shown if isinstance(shown, int) and shown > 0 else None
