"""A workbench: the emulator with the real Packer, jobs whose names nobody else has, and one run of Packer
as the builder makes it. Bounded in time from outside."""

import contextlib
import hashlib
import json
import ssl
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.credential import TOKEN_VARIABLE, Credential, ManagedIdentity, WorkloadIdentity
from builder.packer import command, failures, provisioners, template
from builder.packer.failures import PackerFailure
from builder.results import ports
from builder.stop import StopRequest
from local.arm import launch
from local.real_packer import RealPacker
from pipeline_core.wire.job import BuildJob, GalleryImage
from tests.unit.builder import samples

BUILDER = "b0b0b0b0-0000-4000-8000-000000000001"
IDENTITY = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-build/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/builder"
)
SUBNET = "rg-net/vnet-factory/snet-build"
_FACTORY = "f0f0f0f0-0000-4000-8000-000000000002"
# Each type has versions of its own.
_VERSIONS = {
    "/galleries/": "2023-07-03",  # first: a definition's path has `/images/` too
    "/disks/": "2022-03-02",
    "/images/": "2022-03-01",
    "/virtualMachines/": "2022-03-01",
}
RUN_SECONDS = 150.0  # plugin 2.x waits 10 s for each of its deletions


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run: how it ended, what was said, in which folder."""

    run: command.PackerRun
    text: str
    folder: Path
    plan: provisioners.ProvisionPlan

    def failed(self, job: BuildJob) -> PackerFailure:
        """As the builder classifies it."""
        return failures.of_build(
            ended=self.run.ended,
            stage=job.stage,
            connected="Connected to SSH!" in self.text,
            text=self.text,
            tail=self.text[-2000:],
            seconds=job.timeout_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """A running emulator and the real Packer."""

    arm: launch.RunningArm
    real: RealPacker
    scenario: Path
    cloud: "Cloud" = field(repr=False)

    @property
    def credential(self) -> Credential:
        """A managed identity where the plugin can ask for one off Azure, else a workload identity."""
        if self.real.has_managed_identity:
            return ManagedIdentity()
        return WorkloadIdentity(
            tenant_id=self.arm.tenant_id,
            oidc_request_url=self.arm.workload_url,
            oidc_request_token=self.arm.identity_header,
        )

    def set_scenario(self, scenario: Mapping[str, Any]) -> None:
        """How builds go from now on."""
        self.scenario.write_text(json.dumps(scenario), encoding="utf-8")

    def root_job(self, **changes: object) -> BuildJob:
        """The build stage of a base image that nobody else has."""
        return self._at_home(samples.root_job()).model_copy(update=changes)

    def captured_job(self) -> BuildJob:
        """The same for a setting that captures a Trusted Launch machine itself."""
        captured = {"security_type": "TrustedLaunch", "managed_image": ""}
        job = samples.root_job()
        return self._at_home(job.model_copy(update={"placement": job.placement.model_copy(update=captured)}))

    def child_job(self, **changes: object) -> BuildJob:
        """The build stage of an image with a parent in the live gallery."""
        job = self._at_home(samples.child_job())
        parent = job.source.model_copy(
            update={"subscription_id": self.arm.subscription_id, "image": job.image}
        )
        assert isinstance(parent, GalleryImage)
        self.cloud.make_version(parent)
        return job.model_copy(update={"source": parent, **changes})

    def verify_job(self, **changes: object) -> BuildJob:
        """The verify stage of an image, whose quarantine version is there."""
        job = self._at_home(samples.verify_job())
        self.cloud.make_version(job.destination)
        return job.model_copy(update={"source": job.destination, **changes})

    def _at_home(self, job: BuildJob) -> BuildJob:
        image = f"{job.image}-{uuid.uuid4().hex[:8]}"
        build = f"{image}.{job.build.split('.', 1)[1]}"
        group, network, subnet = SUBNET.split("/")
        subscription = self.arm.subscription_id
        subnet_id = (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network"
            f"/virtualNetworks/{network}/subnets/{subnet}"
        )
        managed_image = job.placement.managed_image and f"if-image-{uuid.uuid4().hex[:24]}"
        placement = {
            "managed_image": managed_image,
            "subscription_id": subscription,
            "client_id": BUILDER,
            "vm_subnet_id": subnet_id,
        }
        destination = job.destination.model_copy(update={"subscription_id": subscription, "image": image})
        place = job.placement
        is_captured = job.stage == "build" and not place.managed_image
        self.cloud.make_definition(
            destination, place.security_type if is_captured else "TrustedLaunchSupported"
        )
        return job.model_copy(
            update={
                "image": image,
                "build": build,
                "destination": destination,
                "placement": job.placement.model_copy(update=placement),
                "tags": {**job.tags, "imagefactory-build": build, "imagefactory-image": image},
            }
        )

    def write(self, job: BuildJob, folder: Path) -> provisioners.ProvisionPlan:
        """What the builder lays into the folder where Packer runs."""
        plan = provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))
        (folder / "steps").mkdir(parents=True)
        for script in plan.scripts:
            # Not by text mode, which would change the ends of lines.
            (folder / script.file).write_bytes(script.content.encode())
        (folder / "bundle.tar.gz").write_bytes(samples.BUNDLE_CONTENT)
        (folder / "platform.tar.gz").write_bytes(samples.PLATFORM_CONTENT)
        (folder / provisioners.TOOLS).mkdir()
        (folder / "catalog.json").write_text("[]", encoding="utf-8")
        asked = ports.question(job, samples.PLATFORM)
        (folder / ports.ASKED).write_text(json.dumps(asked), encoding="utf-8")
        rendered = template.to_text(template.render(job, plan.blocks, self.credential))
        (folder / "template.pkr.json").write_text(rendered, encoding="utf-8")
        return plan

    def run(self, job: BuildJob, folder: Path, *, seconds: float = RUN_SECONDS) -> Outcome:
        """Validate and build, as the builder does; after `seconds` it is interrupted."""
        plan, lines = self.write(job, folder), list[str]()
        program = command.Packer(
            program=self.arm.packer,
            folder=folder,
            environ=self.environment(),
            stop=StopRequest(),
            take=lines.extend,
            timeout_grace_seconds=RUN_SECONDS,
        )
        validated = program.validate("template.pkr.json")
        assert validated.succeeded, "".join(lines)
        run = program.build("template.pkr.json", limit=lambda: seconds)
        return Outcome(run=run, text="".join(lines), folder=folder, plan=plan)

    def environment(self) -> dict[str, str]:
        """What a container of the emulator finds in its environment."""
        given = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PACKER_PLUGIN_PATH": str(self.real.plugin_folder),
            "HTTPS_PROXY": self.arm.proxy,
            "HTTP_PROXY": self.arm.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self.arm.ca_file),
            "IF_RECORDED_SCENARIO": str(self.scenario),
        }
        if not self.real.has_managed_identity:
            given[TOKEN_VARIABLE] = self.arm.identity_header
        return given

    def asked(self, job: BuildJob) -> list[dict[str, Any]]:
        """What the machine of this job was asked over SSH, in order."""
        (found,) = [
            each
            for each in self.arm.ask("GET", "guests")
            if (each["tags"].get("imagefactory-build"), each["tags"].get("imagefactory-stage"))
            == (job.build, job.stage)
        ]
        assert not found["is_up"]
        return list(found["entries"])

    def left_over(self, job: BuildJob) -> list[str]:
        """The types of what this run left behind. Plugin 1.x cannot delete the disk of a build that makes no managed
        image (it takes it for a blob); the factory finds such a disk by its tags, so it must have them."""
        prefix = "if" + hashlib.sha256(f"{job.build}/{job.stage}-{job.attempt}".encode()).hexdigest()[:8]
        left = []
        for kind, ids in self.arm.ask("GET", "state")["resources"].items():
            for each in ids:
                if f"/{prefix}" not in each:
                    continue
                if self.real.has_managed_identity and kind == "Microsoft.Compute/disks":
                    assert self.cloud.get(each)["tags"] == job.tags
                    continue
                left.append(kind)
        return left


class Cloud:
    """Resource Manager as the factory, which may do everything here."""

    def __init__(self, arm: launch.RunningArm) -> None:
        self._arm = arm
        self._tls = ssl.create_default_context(cafile=str(arm.ca_file))
        query = urllib.parse.urlencode(
            {"api-version": "2019-08-01", "resource": "https://management.azure.com", "client_id": _FACTORY}
        )
        request = urllib.request.Request(
            f"{arm.identity_endpoint}?{query}", headers={"X-IDENTITY-HEADER": arm.identity_header}
        )
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        with self._opener.open(request, timeout=10) as answer:
            self._token = json.loads(answer.read())["access_token"]

    def get(self, path: str, version: str = "") -> Any:
        """The resource at `path`."""
        return self._call("GET", path, version)

    def put(self, path: str, body: Any, version: str = "") -> None:
        """Make the resource at `path`."""
        self._call("PUT", path, version, body)

    def version(self, image: GalleryImage) -> Any:
        """The gallery version."""
        return self.get(f"{_definition(image)}/versions/{image.version}")

    def versions(self, image: GalleryImage) -> list[str]:
        """The names of the image's versions."""
        return [each["name"] for each in self.get(f"{_definition(image)}/versions")["value"]]

    def make_definition(self, image: GalleryImage, security: str = "TrustedLaunchSupported") -> None:
        """An image definition without versions."""
        properties = {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "identifier": {"publisher": "factory", "offer": "rhel", "sku": image.image},
            "features": [{"name": "SecurityType", "value": security}],
        }
        body = {"location": "westeurope", "properties": properties}
        self._call("PUT", _definition(image), "", body)

    def make_version(self, image: GalleryImage) -> None:
        """A version that was made from a managed image of a machine. Both are gone."""
        self.make_definition(image)
        group = f"/subscriptions/{image.subscription_id}/resourceGroups/rg-build/providers"
        machine = f"{group}/Microsoft.Compute/virtualMachines/vm-{uuid.uuid4().hex[:8]}"
        reference = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "9.6.2025112113"}
        storage = {"imageReference": reference, "osDisk": {"deleteOption": "Delete"}}
        self._call("PUT", machine, "", {"location": "westeurope", "properties": {"storageProfile": storage}})
        self._wait(machine)
        self._call("POST", f"{machine}/deallocate", "")
        self._until(lambda: "PowerState/deallocated" in str(self.get(f"{machine}/instanceView")))
        self._call("POST", f"{machine}/generalize", "")
        managed_image = f"{group}/Microsoft.Compute/images/{machine.rsplit('/', 1)[1]}"
        self._call(
            "PUT",
            managed_image,
            "",
            {"location": "westeurope", "properties": {"sourceVirtualMachine": {"id": machine}}},
        )
        self._wait(managed_image)
        source = {"storageProfile": {"source": {"id": managed_image}}}
        made = f"{_definition(image)}/versions/{image.version}"
        self._call("PUT", made, "", {"location": "westeurope", "properties": source})
        self._wait(made)
        self._call("DELETE", machine, "")
        self._call("DELETE", managed_image, "")

    def _wait(self, path: str) -> None:
        self._until(lambda: self.get(path)["properties"]["provisioningState"] == "Succeeded")

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < end, "the emulator does not get on"

    def _call(self, method: str, path: str, version: str, body: Any = None) -> Any:
        version = version or next(each for part, each in _VERSIONS.items() if part in path)
        request = urllib.request.Request(
            f"{self._arm.arm}{path}?api-version={version}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None


@contextlib.contextmanager
def start(
    folder: Path, real: RealPacker, *options: str, limited: bool = True, ca_folder: Path | None = None
) -> Iterator[Workbench]:
    """The emulator; `limited`: the builder has its role and no more."""
    scenario = folder / "scenario.json"
    scenario.write_text("{}", encoding="utf-8")
    words = [
        f"--packer={real.program}",
        f"--packer-plugins={real.plugin_folder}",
        "--machine-seconds=0.02",
        "--retry-after=0",
        f"--subnet={SUBNET}",
        *([] if real.has_managed_identity else ["--workload-identity"]),
        *options,
    ]
    with launch.start(
        folder / "arm",
        ca_folder=ca_folder,
        resource_groups=["rg-build"],
        galleries=["rg-gallery/quarantine", "rg-gallery/live"],
        live_galleries=["live"] if limited else [],
        builder_client_id=BUILDER,
        identities={IDENTITY: BUILDER},
        replication_seconds=0.05,
        scenario=scenario,
        options=words,
    ) as arm:
        yield Workbench(arm=arm, real=real, scenario=scenario, cloud=Cloud(arm))


def _definition(image: GalleryImage) -> str:
    return (
        f"/subscriptions/{image.subscription_id}/resourceGroups/{image.resource_group}/providers"
        f"/Microsoft.Compute/galleries/{image.gallery}/images/{image.image}"
    )
