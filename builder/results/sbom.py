"""The software bill of materials of an image: CycloneDX 1.6 from the list of its packages.

Pure: the same input always gives the same bytes. Every package has a purl, with which advisories find it. Licences
are RPM's own texts: declared, and not verified. The document is written here, and the tests check it against
CycloneDX's own schema. CycloneDX's library is not used: it is slower than linear, and it would slow down every
start of a builder.
"""

import json
import uuid
from datetime import UTC, datetime

from packageurl import PackageURL

from pipeline_core.domain.errors import ErrorClass, MalformedMessage, PermanentError
from pipeline_core.domain.packages import Package
from pipeline_core.wire import packages as reported
from pipeline_core.wire.job import BuildJob

_KEYS = "gpg-pubkey"  # RPM lists its trusted keys as packages, but they are not software
_VENDOR = "Red Hat, Inc."  # databases list this vendor's packages under the namespace `redhat`
_RELEASE = "redhat-release"  # the version of this package is RHEL's version


def render(job: BuildJob, packages: bytes, at: datetime) -> bytes:
    """The document for one verified image from its `packages.json`, made at `at`. Raises PermanentError (TEMPLATE)."""
    try:
        found, simulated = reported.parse_packages(packages)
    except MalformedMessage as error:
        text = f"{job.image}: no SBOM can be made: {error}; read the output of the platform's verify step"
        raise PermanentError(ErrorClass.TEMPLATE, text) from error
    listed = [package for package in found if package.name != _KEYS]
    release = next((package.version for package in listed if package.name == _RELEASE), "")
    # By purl: a package that is listed twice appears once, and RPM's order does not matter.
    components = {_purl(package, release): package for package in listed}
    image = f"{job.image}@{job.destination.version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_serial(job)}",
        "version": 1,
        "metadata": {
            "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "component": {
                "type": "operating-system",
                "bom-ref": image,
                "name": job.image,
                "version": job.destination.version,
            },
            "properties": _properties(job, simulated=simulated),
        },
        "components": [_component(purl, components[purl]) for purl in sorted(components)],
        # The image depends on every package. Dependencies between packages are known to RPM and not listed here.
        "dependencies": [{"ref": image, "dependsOn": sorted(components)}],
    }
    return json.dumps(document, indent=1).encode()


def _serial(job: BuildJob) -> uuid.UUID:
    """The document's serial number. It is derived from the attempt, and not random."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:imagefactory:{job.build}:{job.stage}:{job.attempt}")


def _properties(job: BuildJob, *, simulated: bool) -> list[dict[str, str]]:
    facts = {"imagefactory:attempt": str(job.attempt), "imagefactory:build": job.build}
    if simulated:
        facts["imagefactory:simulated"] = "true"
    return [{"name": name, "value": value} for name, value in facts.items()]


def _component(purl: str, package: Package) -> dict[str, object]:
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.evr,
        "purl": purl,
    }
    if package.vendor:
        component["supplier"] = {"name": package.vendor}
    if package.license:
        # A name, never an SPDX expression: older packages use other names for their licences.
        component["licenses"] = [{"license": {"name": package.license, "acknowledgement": "declared"}}]
    return component


def _purl(package: Package, release: str) -> str:
    """The purl by the rules of its type `rpm`: the epoch is a qualifier, and the namespace is the vendor's.

    `repository_id` and `rpmmod` are the qualifiers of Red Hat's own SBOMs and advisories
    (redhatproductsecurity.github.io/security-data-guidelines/purl); scanners read `rpmmod` and `upstream`.
    """
    qualifiers = {
        "arch": package.arch,
        "distro": f"rhel-{release}" if release else "",
        "epoch": str(package.epoch) if package.epoch else "",
        "repository_id": package.repository,
        "rpmmod": package.module,
        "upstream": package.source,
    }
    purl = PackageURL(
        type="rpm",
        namespace="redhat" if package.vendor == _VENDOR else None,
        name=package.name,
        version=f"{package.version}-{package.release}",
        qualifiers={name: value for name, value in qualifiers.items() if value},
    )
    return purl.to_string()
