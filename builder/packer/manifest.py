"""Packer's manifest: which image version one run made. Pure; believes nothing that is not exactly one artifact."""

import json

from pipeline_core.domain.errors import ErrorClass, PermanentError

LIMIT = 1024 * 1024  # bytes
_ID_LIMIT = 1000  # characters; an ARM id of a gallery version has some 250


def artifact_of(content: bytes | None) -> str:
    """The artifact's id; raises PermanentError (template) for every other manifest than one of one build.

    `content` is None where there is no manifest, or one beyond `LIMIT`.
    """
    if content is None:
        raise _refused(f"is missing, or larger than {LIMIT:,} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused("is no JSON") from error
    builds = found.get("builds") if isinstance(found, dict) else None
    if not isinstance(builds, list):
        raise _refused("has no list of builds")
    if len(builds) != 1:
        raise _refused(f"tells of {len(builds)} builds, and one was asked for")
    artifact = builds[0].get("artifact_id") if isinstance(builds[0], dict) else None
    if not isinstance(artifact, str) or not artifact:
        raise _refused("names no artifact")
    if len(artifact) > _ID_LIMIT or not artifact.isascii() or not artifact.isprintable():
        raise _refused("names an artifact that is no id of Azure")
    return artifact


def _refused(what: str) -> PermanentError:
    text = f"Packer succeeded, and its manifest {what}: nothing is published; look at the log of this build"
    return PermanentError(ErrorClass.TEMPLATE, text)
