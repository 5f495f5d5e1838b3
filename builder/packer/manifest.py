"""Packer's manifest: which image version one run made. Pure. It accepts only a manifest of exactly one artifact.

Packer names the managed image where a run makes one, and the version only where it makes none.
"""

import json

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.wire.job import BuildJob, GalleryImage

LIMIT = 1024 * 1024  # bytes
_ID_LIMIT = 1000  # characters; an ARM id of a gallery version has about 250


def version_of(content: bytes | None, job: BuildJob) -> str:
    """The id of the version that the run made. Raises PermanentError (template) as `artifact_of` does.

    Packer ends with success only when the version is there, and a manifest with another managed image than the
    job's own is refused. So the job's destination is the version.
    """
    artifact, place = artifact_of(content), job.placement
    if not place.managed_image:
        return artifact
    folder = f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}"
    own = f"{folder}/providers/Microsoft.Compute/images/{place.managed_image}"
    if artifact.lower() != own.lower():
        raise _refused(f"names {artifact[:300]}, and not the managed image of this attempt")
    return _id_of(job.destination)


def artifact_of(content: bytes | None) -> str:
    """The artifact's id. Raises PermanentError (template) if the manifest does not have exactly one build.

    `content` is None if there is no manifest, or if it is larger than `LIMIT`.
    """
    if content is None:
        raise _refused(f"is missing, or larger than {LIMIT:,} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused("is not JSON") from error
    builds = found.get("builds") if isinstance(found, dict) else None
    if not isinstance(builds, list):
        raise _refused("has no list of builds")
    if len(builds) != 1:
        raise _refused(f"lists {len(builds)} builds, and must list one")
    artifact = builds[0].get("artifact_id") if isinstance(builds[0], dict) else None
    if not isinstance(artifact, str) or not artifact:
        raise _refused("names no artifact")
    if len(artifact) > _ID_LIMIT or not artifact.isascii() or not artifact.isprintable():
        raise _refused("names an artifact that is not an id of Azure")
    return artifact


def _id_of(image: GalleryImage) -> str:
    folder = f"/subscriptions/{image.subscription_id}/resourceGroups/{image.resource_group}/providers"
    return (
        f"{folder}/Microsoft.Compute/galleries/{image.gallery}/images/{image.image}/versions/{image.version}"
    )


def _refused(what: str) -> PermanentError:
    text = f"Packer succeeded, but its manifest {what}: nothing is published, read the log of this build"
    return PermanentError(ErrorClass.TEMPLATE, text)
