"""Consistent jobs, bundles and Packers for the tests."""

import base64
import gzip
import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from builder.results import ports
from builder.settings import BuilderSettings
from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.blob_rights import BlobToken
from pipeline_core.domain.names import Digest
from pipeline_core.wire import blob_token
from pipeline_core.wire import job as wire
from tests.unit.builder.results import scan_files

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
CLIENT = "00000000-0000-4000-8000-000000000002"
MANAGED_IMAGE = "if-image-0123456789abcdef01234567"
ROOT_BUILD = "rhel9-base.3fa9c1d20b77.1"
CHILD_BUILD = "payments-api.0123456789ab.2"

GITHUB_TOKEN = "ghp_" + "a1B2" * 9  # of the right form, of nobody

PLATFORM = {
    "platform/before/10-update.sh": "#!/bin/bash\n",
    "platform/before/12-restart.sh": "#!/bin/bash\n",
    "platform/before/20-stage-catalog.sh": "#!/bin/bash\n",
    "platform/roots/30-hardening.yml": "- hosts: all\n",
    "platform/after/70-firewall.sh": "#!/bin/bash\n",
    "platform/after/80-hygiene-clean.sh": "#!/bin/bash\n",
    "platform/after/85-hygiene-check.sh": "#!/bin/bash\n",
    "platform/after/90-deprovision.sh": "#!/bin/bash\n",
    "platform/verify/ports.py": "",
    "platform/verify/run.sh": "#!/bin/bash\n",
    "roles/rhel9_hardening/tasks/main.yml": "[]\n",
    "catalog.json": '{"hosts": ["example.com"], "entries": []}\n',
}
BUNDLE = {
    "scripts/install.sh": "#!/bin/bash\n",
    "playbook.yml": "- hosts: all\n",
    "files/app.conf": "port = 8080\n",
    "goss.yaml": "{}\n",
    "tests/smoke.sh": "#!/bin/bash\n",
}


def pack(files: Mapping[str, str]) -> bytes:
    """A small tar.gz, always the same bytes for the same files."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, text in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


PLATFORM_CONTENT = pack(PLATFORM)
# Platform steps of a release that did not know spec.serves.
OLDER_PLATFORM = {
    name: text
    for name, text in PLATFORM.items()
    if name not in ("platform/after/70-firewall.sh", "platform/verify/ports.py")
}
OLDER_PLATFORM_CONTENT = pack(OLDER_PLATFORM)
BUNDLE_CONTENT = pack(BUNDLE)


PLAN = wire.Plan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")


TOOL_CONTENT = b"a tool of the catalog"
TOOL_ENTRY = {
    "id": "agent",
    "version": "1.0.0",
    "url": "https://example.com/agent/agent-1.0.0.rpm",
    "sha256": hashlib.sha256(TOOL_CONTENT).hexdigest(),
}
TOOL = wire.StagedTool(**TOOL_ENTRY, file="agent-1.0.0.rpm")
# Platform steps whose catalog has this tool.
PLATFORM_WITH_TOOL = pack(
    {**PLATFORM, "catalog.json": json.dumps({"hosts": ["example.com"], "entries": [TOOL_ENTRY]})}
)


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def gallery_image(image: str, version: str, gallery: str = "quarantine") -> wire.GalleryImage:
    """A version in one of the factory's galleries."""
    return wire.GalleryImage(
        subscription_id=SUBSCRIPTION,
        resource_group="rg-gallery",
        gallery=gallery,
        image=image,
        version=version,
    )


def placement(*, subnet: bool = True) -> wire.Placement:
    """Where the machine of the verify stage runs."""
    network = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-net/providers/Microsoft.Network"
    return wire.Placement(
        subscription_id=SUBSCRIPTION,
        client_id=CLIENT,
        location="westeurope",
        resource_group="rg-build",
        vm_subnet_id=f"{network}/virtualNetworks/vnet-factory/subnets/snet-build" if subnet else "",
        vm_size="Standard_D2s_v5",
        generation="V2",
        security_type="TrustedLaunch",
    )


def by_managed_image() -> dict[str, str]:
    """What a placement has for the documented way to a version of a Trusted Launch image."""
    return {"security_type": "Standard", "managed_image": MANAGED_IMAGE}


def tags(build: str, stage: str) -> dict[str, str]:
    """The tags that the factory gives."""
    return {
        "imagefactory-attempt": "1",
        "imagefactory-build": build,
        "imagefactory-image": build.split(".")[0],
        "imagefactory-lease": "2026-11-21T14:00:00Z",
        "imagefactory-stage": stage,
    }


def root_job(**changes: object) -> wire.BuildJob:
    """The build stage of a base image."""
    job = wire.BuildJob(
        build=ROOT_BUILD,
        image="rhel9-base",
        stage="build",
        attempt=1,
        is_root=True,
        source=wire.MarketplaceImage(
            publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", version="9.6.2025112113"
        ),
        destination=gallery_image("rhel9-base", "9.20261121.1"),
        placement=placement().model_copy(update=by_managed_image()),
        steps=(wire.Step(kind="shell", path="scripts/install.sh"),),
        bundle=digest_of(BUNDLE_CONTENT),
        platform=digest_of(PLATFORM_CONTENT),
        timeout_seconds=3600,
        lease_until=datetime(2026, 11, 21, 14, tzinfo=UTC),
        tags=tags(ROOT_BUILD, "build"),
    )
    return job.model_copy(update=changes)


def child_job(**changes: object) -> wire.BuildJob:
    """The build stage of an image that has a parent, with one step of each kind."""
    job = root_job(
        build=CHILD_BUILD,
        image="payments-api",
        is_root=False,
        source=gallery_image("rhel9-java", "1.20261121.3", gallery="live"),
        destination=gallery_image("payments-api", "1.20261121.1"),
        placement=placement(subnet=False).model_copy(update={"security_type": "Standard"}),
        steps=(
            wire.Step(kind="shell", path="scripts/install.sh", env={"JAVA_VERSION": "21"}),
            wire.Step(kind="ansible", path="playbook.yml"),
            wire.Step(kind="file", path="files/app.conf", destination="/etc/app.conf"),
        ),
        tags=tags(CHILD_BUILD, "build"),
    )
    return job.model_copy(update=changes)


def verify_job(**changes: object) -> wire.BuildJob:
    """The verify stage of the same image."""
    job = child_job(
        stage="verify",
        source=gallery_image("payments-api", "1.20261121.1"),
        placement=placement(subnet=False),
        steps=(),
        tests=wire.Tests(goss="goss.yaml", smoke=("tests/smoke.sh",), profile="cis_server_l1"),
        tags=tags(CHILD_BUILD, "verify"),
    )
    return job.model_copy(update=changes)


def settings_for(job: wire.BuildJob, packer: Path | str = "packer", token: str = "") -> BuilderSettings:
    """The container's settings for this job, with the text of its token for blobs."""
    return BuilderSettings.read({**environment_for(job, packer), blob_token.VARIABLE: token})


def environment_for(job: wire.BuildJob, packer: Path | str = "packer") -> dict[str, str]:
    """The container's environment for this job."""
    return {
        "IF_BUILD_ID": job.build,
        "IF_STAGE": job.stage,
        "IF_ATTEMPT": str(job.attempt),
        "IF_JOB": digest_of(job.to_wire()),
        "IF_BLOB_ENDPOINT": "https://127.0.0.1:10000/devstoreaccount1",
        "IF_QUEUE_ENDPOINT": "https://127.0.0.1:10001/devstoreaccount1",
        "IF_CLIENT_ID": CLIENT,
        "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "PACKER_PATH": str(packer),
    }


def token_for(job: wire.BuildJob, until: datetime) -> str:
    """The variable with the rights of this job's attempt. Its signatures are texts that no log may show."""
    rights = blob_rights.rights_of(
        attempts.folder(job.build, job.stage, job.attempt),
        job.stage,
        job=Digest(digest_of(job.to_wire())),
        bundles=(Digest(job.bundle), Digest(job.platform)),
        tools=job.stored,
    )
    own = {place: f"sp=rc&sig=signature%2F{number:03d}%3D" for number, place in enumerate(rights)}
    return blob_token.to_wire(BlobToken(until=until, shared="sr=b", own=own))


def store(
    root: Path, job: wire.BuildJob, bundle: bytes = BUNDLE_CONTENT, platform: bytes = PLATFORM_CONTENT
) -> None:
    """Put the job and its archives where a builder looks for them."""
    for container, name, content in (
        ("jobs", f"{digest_of(job.to_wire())}.json", job.to_wire()),
        ("bundles", f"{job.bundle}.tar.gz", bundle),
        ("bundles", f"{job.platform}.tar.gz", platform),
    ):
        path = root / container / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_packer(
    folder: Path, build: str, *, version: str = "1.16.0", validate: str = "true", asked: str = "true"
) -> Path:
    """A Packer of a few lines of shell; `build` is what `packer build` does, in the work folder.

    `asked` is what `packer version` does before it answers.
    """
    path = folder / "fake-packer"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"version) {asked}; echo 'Packer v{version}' ;;\n"
        f"validate) {validate} ;;\n"
        f"build) {build}\n ;;\n"
        "esac\n",
        encoding="utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


ARTIFACT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-gallery/providers/Microsoft.Compute"
    "/galleries/quarantine/images/rhel9-base/versions/9.20261121.1"
)
_BUILD_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-build"
LEFT_BEHIND = f"{_BUILD_GROUP}/providers/Microsoft.Compute/images/{MANAGED_IMAGE}"
GOOD_BUILD = f"""echo "==> azure-arm.image: Connected to SSH!"
echo '{{"builds": [{{"artifact_id": "{LEFT_BEHIND}"}}], "last_run_uuid": "x"}}' > manifest.json"""
SCAN = base64.b64encode(
    scan_files.zipped(
        scan_files.xccdf(score="96.4", profile="xccdf_org.ssgproject.content_profile_cis_server_l1")
    )
).decode()
CLOSED_PORTS = json.dumps(
    {"ports": [{"port": port, "protocol": "tcp", "when": "never", "found": "closed"} for port in ports.NEVER]}
)
GOOD_VERIFY = """echo "==> azure-arm.image: Connected to SSH!"
mkdir -p results
echo '{"results": [{"successful": true}], "summary": {"test-count": 1, "failed-count": 0}}' > results/goss.json
echo '{"results": [{"name": "smoke.sh", "passed": true}]}' > results/smoke.json
echo %(scan)s | base64 -d > results/xccdf.xml.gz
echo page | gzip > results/report.html.gz
echo '%(ports)s' > ports-found.json
echo '{"passed": true, "findings": []}' > results/hygiene.json
echo '{"known": false}' > results/advisories.json
echo '[{"name": "bash", "version": "5.1.8", "release": "9.el9", "arch": "x86_64"}]' > results/packages.json""".replace(
    "%(scan)s", SCAN
).replace("%(ports)s", CLOSED_PORTS)
