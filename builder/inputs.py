"""The three things a build is made of, taken by digest, verified, and passed by the policy guard.

Holds archives in memory and lists their names; it never unpacks one: only the guest does.
"""

import hashlib
from dataclasses import dataclass

from builder.ports import Blobs
from builder.settings import Settings
from pipeline_core.domain.errors import ErrorClass, MalformedMessage, PermanentError
from pipeline_core.guard import bundles
from pipeline_core.wire.job import JOB_LIMIT, BuildJob

BUNDLE_LIMIT = 20 * 1024 * 1024  # bytes, compressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A verified `.tar.gz`; `names` are the paths of its files."""

    digest: str
    content: bytes
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that decides this attempt."""

    job: BuildJob
    bundle: Archive
    platform: Archive


def fetch_job(blobs: Blobs, settings: Settings) -> BuildJob:
    """The job that the environment names; raises PermanentError where it is not for this attempt."""
    content = blobs.read("jobs", f"{settings.job}.json", limit=JOB_LIMIT)
    try:
        job = BuildJob.from_wire(content, digest=settings.job)
    except MalformedMessage as error:
        raise PermanentError(ErrorClass.TEMPLATE, f"job {settings.job[:12]}: {error}") from error
    if (job.build, job.stage, job.attempt) != (settings.build, settings.stage, settings.attempt):
        wanted = f"{settings.build}, {settings.stage} {settings.attempt}"
        given = f"{job.build}, {job.stage} {job.attempt}"
        text = f"job {settings.job[:12]} is for {given}; this container is {wanted}"
        raise PermanentError(ErrorClass.TEMPLATE, text)
    return job


def fetch_archives(blobs: Blobs, job: BuildJob) -> Inputs:
    """Bundle and platform steps; raises PermanentError (policy) with every finding of both."""
    contents = {
        "bundle": _fetch(blobs, "bundle", job.bundle),
        "platform": _fetch(blobs, "platform bundle", job.platform),
    }
    findings = [
        f"{what}: {line}" for what, content in contents.items() for line in bundles.check_bundle(content)
    ]
    if findings:
        raise PermanentError(ErrorClass.POLICY, "the policy guard refused:\n" + "\n".join(findings))
    return Inputs(
        job=job,
        bundle=_archive(job.bundle, contents["bundle"]),
        platform=_archive(job.platform, contents["platform"]),
    )


def _fetch(blobs: Blobs, what: str, digest: str) -> bytes:
    content = blobs.read("bundles", f"{digest}.tar.gz", limit=BUNDLE_LIMIT)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise PermanentError(
            ErrorClass.POLICY, f"the {what} {digest[:12]} has the content of {found[:12]}; register it again"
        )
    return content


def _archive(digest: str, content: bytes) -> Archive:
    return Archive(digest=digest, content=content, names=bundles.names_in(content))
