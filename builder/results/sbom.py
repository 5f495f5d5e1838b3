"""The software bill of materials of an image: CycloneDX 1.6 from the list of its packages. Pure; the same input gives
the same bytes, whenever and wherever it is made.

Every package has a purl, by which advisories find it. Licences are RPM's own words: declared, and not verified. The
document is written here and held to CycloneDX's own schema by the tests: the library that would write it is slower than
linear, and every start of a builder would pay for it.
"""

import json
import uuid
from datetime import UTC, datetime

from packageurl import PackageURL

from pipeline_core.domain.errors import ErrorClass, MalformedMessage, PermanentError
from pipeline_core.domain.packages import Package
from pipeline_core.wire import packages as told
from pipeline_core.wire.job import BuildJob

_KEYS = "gpg-pubkey"  # RPM lists its trusted keys as packages; they are no software
_VENDOR = "Red Hat, Inc."  # its packages the databases know by the namespace `redhat`
_RELEASE = "redhat-release"  # the package whose version is RHEL's


def render(job: BuildJob, packages: bytes, at: datetime) -> bytes:
    """The document for one verified image from its `packages.json`, made at `at`; raises PermanentError (TEMPLATE)."""
    try:
        found, simulated = told.parse_packages(packages)
    except MalformedMessage as error:
        text = f"{job.image}: no SBOM can be made: {error}; see what the platform's verify step wrote"
        raise PermanentError(ErrorClass.TEMPLATE, text) from error
    listed = [package for package in found if package.name != _KEYS]
    release = next((package.version for package in listed if package.name == _RELEASE), "")
    # By purl: one that is named twice is one, and the order is the same however RPM told it.
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
        # The image has every package. Who needs whom among them is RPM's affair, and not told.
        "dependencies": [{"ref": image, "dependsOn": sorted(components)}],
    }
    return json.dumps(document, indent=1).encode()


def _serial(job: BuildJob) -> uuid.UUID:
    """One document has one number: it is the attempt's, not chance's."""
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
        # A name, never an SPDX expression: older packages have words of their own for their licences.
        component["licenses"] = [{"license": {"name": package.license, "acknowledgement": "declared"}}]
    return component


def _purl(package: Package, release: str) -> str:
    """By the rules of purl's type `rpm`: the epoch is a qualifier, and the namespace is the vendor's."""
    qualifiers = {
        "arch": package.arch,
        "distro": f"rhel-{release}" if release else "",
        "epoch": str(package.epoch) if package.epoch else "",
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
