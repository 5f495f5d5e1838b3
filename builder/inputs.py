"""The inputs of a build. They are read by digest and verified, and the policy guard checks them.

This module keeps archives in memory and lists their names. It never unpacks an archive: only the guest does.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.ports import Blobs
from builder.settings import BuilderSettings
from pipeline_core.domain import blob_rights, tools
from pipeline_core.domain.definitions import AnsibleStep, FileStep, Provisioner, ShellStep
from pipeline_core.domain.errors import (
    ErrorClass,
    MalformedMessage,
    NotFound,
    Owner,
    PermanentError,
    TransientError,
)
from pipeline_core.guard import bundles, catalog, detectors, sources, steps
from pipeline_core.guard.catalog import CatalogEntry
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule
from pipeline_core.wire.bundle import COMPRESSED_LIMIT
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, Step

_OF_TEAM = frozenset({"bundle", "definition"})  # the rest is SecOps'


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A verified `.tar.gz`. `names` are the paths of its files."""

    digest: str
    content: bytes
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that decides this attempt."""

    job: BuildJob
    bundle: Archive
    platform: Archive
    variables: Mapping[str, str]  # of every step, by the platform's settings


def fetch_job(blobs: Blobs, settings: BuilderSettings) -> BuildJob:
    """The job that the environment names. Raises PermanentError if the job is not for this attempt."""
    content = blobs.read("jobs", f"{settings.job}.json", limit=JOB_LIMIT)
    try:
        job = BuildJob.from_wire(content, digest=settings.job)
    except MalformedMessage as error:
        text = f"job {settings.job[:12]}: {error}"
        raise PermanentError(ErrorClass.TEMPLATE, text, owner=Owner.PLATFORM) from error
    if (job.build, job.stage, job.attempt) != (settings.build, settings.stage, settings.attempt):
        wanted = f"{settings.build}, {settings.stage} {settings.attempt}"
        given = f"{job.build}, {job.stage} {job.attempt}"
        text = f"job {settings.job[:12]} is for {given}; this container is {wanted}"
        raise PermanentError(ErrorClass.TEMPLATE, text)
    return job


def fetch_archives(blobs: Blobs, job: BuildJob) -> Inputs:
    """Bundle and platform steps. Raises PermanentError (policy) with every finding in these and in the job."""
    bundle = _fetch(blobs, "bundle", job.bundle)
    platform = _fetch(blobs, "platform bundle", job.platform)
    findings = [*findings_of(job, bundle, platform)]
    if findings:
        lines = [f"{what}: {finding}" for what, finding in findings]
        theirs = any(what in _OF_TEAM for what, _ in findings)
        raise PermanentError(
            ErrorClass.POLICY,
            "the policy guard refused:\n" + "\n".join(lines),
            owner=None if theirs else Owner.PLATFORM,
        )
    return Inputs(
        job=job,
        bundle=_archive(job.bundle, bundle),
        platform=_archive(job.platform, platform),
        variables=sources.environment_of(bundles.sources_in(platform)),
    )


def fetch_tools(blobs: Blobs, job: BuildJob, folder: Path) -> None:
    """Put the files of the job's tools into `folder`, each under its SHA-256.

    They come from the factory's own storage, which holds what was admitted; the digest is compared again all the same.
    Raises TransientError (UNKNOWN) where a file is not there: the factory then looks for the files of the job, counts
    no failure for one that is lost, and begins the next attempt only when it is admitted. Raises PermanentError
    (policy, the platform's) for a file with another content.
    """
    for digest in job.stored:
        place = blob_rights.tool_place(digest)
        try:
            found = blobs.fetch(place.container, place.name, folder / digest, limit=tools.SIZE_LIMIT)
        except NotFound as error:
            text = (
                f"{_named(job, digest)} is not in the container {place.container}: the factory makes it again from"
                " quarantine, or `imagefactory catalog list --missing` names it, and SecOps submits it"
            )
            raise TransientError(ErrorClass.UNKNOWN, text) from error
        if found != digest:
            text = (
                f"{_named(job, digest)} has the content of {found[:12]}, and only the factory may write there: find out"
                f" who did, then delete the blob {place}; the factory makes it again from quarantine, or asks for it"
            )
            raise PermanentError(ErrorClass.POLICY, text, owner=Owner.PLATFORM)


def _named(job: BuildJob, digest: str) -> str:
    tool = next(each for each in (*job.catalog, *job.tools) if each.sha256 == digest)
    return f"the file of {tool.id} {tool.version} ({digest[:12]})"


def findings_of(job: BuildJob, bundle: bytes, platform: bytes) -> Iterator[tuple[str, Finding]]:
    """Each finding of the guard, with its place. A registered input may be older than a rule of the guard."""
    forms = detectors.forms()
    found = {
        "bundle": bundles.check_bundle(bundle, forms),
        "platform": (
            *bundles.check_bundle(platform, forms),
            *bundles.check_settings(platform, is_in_force=True),
        ),
        "definition": tuple(steps.check_steps([_step(step) for step in job.steps], forms)),
        "catalog": tuple(_catalog_findings(job, platform)),
    }
    for what, findings in found.items():
        yield from ((what, finding) for finding in findings)


def _catalog_findings(job: BuildJob, platform: bytes) -> Iterator[Finding]:
    document = bundles.catalog_in(platform)
    if document is not None:
        yield from catalog.check_catalog(document)
    staged = [
        CatalogEntry(id=entry.id, version=entry.version, url=entry.url, sha256=entry.sha256)
        for entry in (*job.catalog, *job.tools)
    ]
    if document is not None:
        yield from catalog.check_staged(staged, document)
    elif staged:
        yield Finding(
            rule=GuardRule.CATALOG_MISSING,
            place="job.catalog",
            message=f"{len(staged)} tools must be staged, and the platform bundle has no {bundles.CATALOG}",
            remedy="register the platform steps again with `imagefactory platform register`",
        )


def _step(step: Step) -> Provisioner:
    if step.kind == "shell":
        return ShellStep(script=step.path, env=tuple(sorted(step.env.items())))
    if step.kind == "ansible":
        return AnsibleStep(playbook=step.path)
    return FileStep(path=step.path, destination=step.destination)


def _fetch(blobs: Blobs, what: str, digest: str) -> bytes:
    content = blobs.read("bundles", f"{digest}.tar.gz", limit=COMPRESSED_LIMIT)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise PermanentError(
            ErrorClass.POLICY, f"the {what} {digest[:12]} has the content of {found[:12]}; register it again"
        )
    return content


def _archive(digest: str, content: bytes) -> Archive:
    return Archive(digest=digest, content=content, names=bundles.names_in(content))
