"""Routes of evidence: the files that are kept of a build, one of these files, and the difference of two versions.

Machines that teams control wrote the files. So they are sent as attachments, and never shown in the factory's origin.
"""

import base64
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Response

from pipeline_core.domain.byte_ranges import ByteRange
from pipeline_core.services.views.evidence import KeptFile
from triggers.api.evidence_models import Comparison, Evidence
from triggers.api.forms.names import (
    AttemptInPath,
    BuildInPath,
    FromInQuery,
    ImageInPath,
    ToInQuery,
    VersionInPath,
)
from triggers.provider import Provider

_FILE = {"description": "The file, as it was kept", "content": {"application/octet-stream": {}}}
_SBOM = {"description": "The document", "content": {"application/vnd.cyclonedx+json": {}}}
# If somebody opens an HTML report in spite of this, it has no origin, runs nothing and loads nothing.
_POLICY = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PART = {"description": "The wanted part of it", "content": {"application/octet-stream": {}}}

Wanted = Annotated[str | None, Header(alias="Range", max_length=200)]
Expected = Annotated[str | None, Header(alias="If-Range", max_length=200)]


def router(factory: Provider) -> APIRouter:
    """The routes of evidence under `/api/builds` and `/api/images`."""
    routes = APIRouter(tags=["evidence"])

    @routes.get("/api/builds/{identity}/evidence")
    def list_evidence(identity: BuildInPath) -> Evidence:
        """Every file that is kept of a build, of all attempts of both stages, with the gates' verdicts."""
        return Evidence.model_validate(factory().evidence.show(identity))

    @routes.get(
        "/api/builds/{identity}/evidence/{attempt}/{name}",
        response_class=Response,
        responses={200: _FILE, 206: _PART},
    )
    def read_evidence(
        identity: BuildInPath,
        attempt: AttemptInPath,
        name: str,
        wanted: Wanted = None,
        expected: Expected = None,
    ) -> Response:
        """One file, checked against the digest that was reported; `attempt` is like `verify-1`. gzip stays gzip.

        A larger file than one answer may have is read in parts, with `Range`.
        """
        reader = factory().evidence
        kept = _read(lambda part: reader.read(identity, attempt, name, part), wanted, expected)
        return _attachment(kept, f"{identity}.{attempt}.{kept.name}")

    @routes.get(
        "/api/images/{name}/versions/{version}/sbom",
        response_class=Response,
        responses={200: _SBOM, 206: _PART},
    )
    def read_sbom(
        name: ImageInPath, version: VersionInPath, wanted: Wanted = None, expected: Expected = None
    ) -> Response:
        """The software bill of materials of a published version, as CycloneDX JSON; parts of it with `Range`."""
        reader = factory().version_diff
        kept = _read(lambda part: reader.sbom(name, version, part), wanted, expected)
        return _attachment(kept, f"{name}-{version}.cdx.json")

    @routes.get("/api/images/{name}/diff")
    def compare_versions(name: ImageInPath, before: FromInQuery, after: ToInQuery) -> Comparison:
        """What differs from one published version to another: packages, advisories, compliance."""
        return Comparison.model_validate(factory().version_diff.diff(name, before, after))

    return routes


def _read(read: Callable[[ByteRange | None], KeptFile], wanted: str | None, expected: str | None) -> KeptFile:
    """The wanted part. `expected` is the ETag of the parts that the caller has: of another file, all is sent."""
    part = None if wanted is None else ByteRange.parse(wanted)
    kept = read(part)
    is_other = expected is not None and expected != _etag(kept)
    return read(None) if part is not None and is_other else kept


def _etag(kept: KeptFile) -> str:
    return f'"{kept.sha256}"' if kept.sha256 else ""


def _attachment(kept: KeptFile, name: str) -> Response:
    """`name` holds only our own value types and a name that matches the pattern of a report."""
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    if kept.sha256:
        digest = base64.b64encode(bytes.fromhex(kept.sha256)).decode()
        headers["Repr-Digest"] = f"sha-256=:{digest}:"  # of the whole file, also beside a part
        headers["ETag"] = _etag(kept)
    if kept.size is not None:
        headers["Content-Range"] = f"bytes {kept.first}-{kept.first + len(kept.content) - 1}/{kept.size}"
    status = HTTPStatus.OK if kept.size is None else HTTPStatus.PARTIAL_CONTENT
    return Response(kept.content, status, media_type=kept.media_type, headers=headers)
