"""One build of the recorded Packer: its calls to Azure, and the lines that Packer prints.

It creates a machine, captures it as a gallery version and deletes the machine. It starts no guest and never runs
a command of a template.
"""

import importlib
import json
import os
import re
import secrets
import signal
import time
from typing import Any

from local.recorded import results
from local.recorded.cloud import Cloud, CloudError
from local.recorded.machine import RecordedMachine
from local.recorded.template import Template, TemplateStep, block, blocks
from local.scenario import PackerScenario

_COMPUTE, _DISKS, _NETWORK = "2022-03-01", "2022-03-02", "2023-09-01"
_GALLERY, _GROUPS = "2023-07-03", "2022-09-01"
_STEP_SECONDS = 0.01  # a pause for each provisioner, of which a build and its verification have 25
_HANG_SECONDS = 24 * 3600.0


class BuildFailed(Exception):
    """The build ends with an error, in Packer's words."""


class Interrupted(Exception):
    """SIGINT or SIGTERM came."""


class Output:
    """Lines as Packer writes them: plain, with time stamps, or machine-readable."""

    def __init__(self, name: str, flags: set[str]) -> None:
        self._name = name
        self._is_machine = "-machine-readable" in flags
        self._has_times = "-timestamp-ui" in flags

    def say(self, text: str) -> None:
        """A step."""
        self._line("say", f"==> {self._name}: {text}")

    def message(self, text: str) -> None:
        """A detail of a step."""
        self._line("message", f"    {self._name}: {text}")

    def error(self, text: str) -> None:
        """A line of an error."""
        self._line("error", f"==> {self._name}: {text}")

    def plain(self, text: str) -> None:
        """A line of Packer itself."""
        self._line("say", text)

    def fact(self, kind: str, *values: str) -> None:
        """A line that only machines read."""
        if self._is_machine:
            escaped = ",".join(_escape(value) for value in values)
            print(f"{int(time.time())},{self._name},{kind},{escaped}", flush=True)

    def _line(self, kind: str, text: str) -> None:
        if self._is_machine:
            text = f"{int(time.time())},,ui,{kind},{_escape(text)}"
        elif self._has_times:
            text = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}: {text}"
        print(text, flush=True)


class RecordedBuild:
    """One run of one template."""

    def __init__(self, template: Template, path: str, output: Output, scenario: PackerScenario) -> None:
        self._template, self._output, self._scenario = template, output, scenario
        self._source = template.source
        self._roots = (
            os.getcwd(),
            os.path.dirname(os.path.abspath(path)),
            os.environ.get("TMPDIR") or os.getcwd(),
        )
        self._made: list[tuple[str, str]] = []  # paths and api-versions, in the order of creation
        self._cloud = Cloud(str(self._source.get("client_id") or ""))
        self._home = f"/subscriptions/{self._source['subscription_id']}"
        self._managed_image = ""
        if self._source.get("managed_image_name"):
            group = self._source["managed_image_resource_group_name"]
            folder = f"{self._home}/resourceGroups/{group}/providers/Microsoft.Compute/images"
            self._managed_image = f"{folder}/{self._source['managed_image_name']}"
        self._is_capturing = not self._source.get("skip_create_image")
        self._machine = RecordedMachine(scenario, output.say, output.message)

    def run(self) -> str:
        """The artifact's id, empty if no image is made. Raises BuildFailed, CloudError or Interrupted."""
        say = self._output.say
        say("Running builder ... (recorded: no machine is started, nothing of the template is run)")
        try:
            location = self._prepare()
            machine = self._create(location)
            self._provision()
            return self._capture(machine, location) if self._is_capturing else ""
        finally:
            self._clean()

    def _prepare(self) -> str:
        say = self._output.say
        self._cloud.discover_tenant(str(self._source["subscription_id"]))
        say("Getting tokens using Managed Identity for Azure")
        self._cloud.sign_in()
        self._group = str(self._source.get("build_resource_group_name") or "")
        if not self._group:
            raise BuildFailed("the recorded Packer needs build_resource_group_name, as production does")
        if self._managed_image and self._cloud.exists(self._managed_image, _COMPUTE):
            raise BuildFailed(f"the managed image named {self._managed_image} already exists")
        found = self._cloud.call("GET", f"{self._home}/resourceGroups/{self._group}", _GROUPS)
        location = str(found["location"]).replace(" ", "").lower()
        say("Getting source image id for the deployment ...")
        self._reference = self._origin(location)
        if self._is_capturing:
            definition, version = self._destination()
            self._cloud.call("GET", definition, _GALLERY)
            if self._cloud.exists(f"{definition}/versions/{version}", _GALLERY):
                raise BuildFailed(
                    f"the shared image gallery image version {version} already exists; use the force option to "
                    "automatically delete it"
                )
        return location

    def _origin(self, location: str) -> dict[str, Any]:
        gallery = block(self._source.get("shared_image_gallery"))
        if gallery:
            version = str(
                gallery.get("id") or f"{self._gallery(gallery)}/versions/{gallery.get('image_version')}"
            )
            self._cloud.call("GET", version, _GALLERY)
            return {"id": version}
        names = {
            part: str(self._source.get(f"image_{part}") or "latest")
            for part in ("publisher", "offer", "sku", "version")
        }
        folder = (
            f"{self._home}/providers/Microsoft.Compute/locations/{location}/publishers/{names['publisher']}"
        )
        path = f"{folder}/artifacttypes/vmimage/offers/{names['offer']}/skus/{names['sku']}/versions/{names['version']}"
        self._cloud.call("GET", path, _COMPUTE)
        return names

    def _create(self, location: str) -> str:
        suffix = secrets.token_hex(5)
        prefix = str(self._source.get("custom_resource_build_prefix") or "pkr")
        tags = _tags(self._source)
        folder = f"{self._home}/resourceGroups/{self._group}/providers"
        interface = f"{folder}/Microsoft.Network/networkInterfaces/{prefix}ni{suffix}"
        machine = f"{folder}/Microsoft.Compute/virtualMachines/{prefix}vm{suffix}"
        disk = f"{prefix}os{suffix}"
        self._output.say("Deploying deployment template ...")
        self._output.message(f"-> VMName: '{machine.rsplit('/', 1)[1]}'")
        addresses = [{"name": "ipconfig", "properties": {"privateIPAllocationMethod": "Dynamic"}}]
        self._make(interface, _NETWORK, location, tags, {"ipConfigurations": addresses})
        # As Packer's template says, a machine leaves its disk. A call of its own deletes the disk.
        self._made.append((f"{folder}/Microsoft.Compute/disks/{disk}", _DISKS))
        properties = {
            "hardwareProfile": {"vmSize": self._source["vm_size"]},
            "storageProfile": {
                "imageReference": self._reference,
                "osDisk": {"name": disk, "createOption": "FromImage", "deleteOption": "Detach"},
            },
            "osProfile": {
                "computerName": "packer",
                "adminUsername": self._source.get("ssh_username") or "packer",
            },
            "networkProfile": {"networkInterfaces": [{"id": interface, "properties": {"primary": True}}]},
        }
        if self._source.get("os_disk_size_gb"):
            properties["storageProfile"]["osDisk"]["diskSizeGB"] = int(self._source["os_disk_size_gb"])
        if self._source.get("security_type"):
            properties["securityProfile"] = {"securityType": self._source["security_type"]}
        self._make(machine, _COMPUTE, location, tags, properties, plan=_plan(self._source))
        self._output.say("Waiting for SSH to become available... (recorded)")
        self._output.say("Connected to SSH! (recorded)")
        return machine

    def _make(
        self,
        path: str,
        version: str,
        location: str,
        tags: dict[str, str],
        properties: dict[str, Any],
        plan: dict[str, str] | None = None,
    ) -> None:
        self._made.append((path, version))
        body: dict[str, Any] = {"location": location, "tags": tags, "properties": properties}
        self._cloud.call("PUT", path, version, body | ({"plan": plan} if plan else {}))

    def _provision(self) -> None:
        for step in self._template.provisioners:
            announced = _announced(step)
            is_hit = step.kind != "file" and self._scenario.hits(announced)
            if is_hit and self._scenario.name == "hang":
                self._output.say("Provisioning hangs (recorded)")
                time.sleep(_HANG_SECONDS)
            if step.kind == "file" and step.values.get("direction") == "download":
                self._download(step)
            elif step.kind == "shell-local":
                self._try_ports(step, announced)
            else:
                self._output.say(f"Provisioning with {step.kind}: {_what(step)} (recorded, not run)")
                if announced:
                    self._output.message(announced)
            time.sleep(_STEP_SECONDS)
            if is_hit:
                self._fail_step()
            failed = self._machine.take(step, announced, _script(step))
            if failed:
                raise BuildFailed(failed)

    def _fail_step(self) -> None:
        for line in self._scenario.output.splitlines():
            self._output.message(line)
        self._output.error("Provisioning step had errors: Running the cleanup provisioner, if present...")
        if self._scenario.name == "drop":
            raise BuildFailed("Script disconnected unexpectedly. (recorded)")
        code = self._scenario.exit_code
        raise BuildFailed(f"Script exited with non-zero exit status: {code}. Allowed exit codes are: [0]")

    def _download(self, step: TemplateStep) -> None:
        source, destination = str(step.values.get("source")), str(step.values.get("destination"))
        if destination.endswith("/"):
            destination += os.path.basename(source)
        path = os.path.realpath(destination)
        if not any(path.startswith(os.path.realpath(root) + os.sep) for root in self._roots):
            raise BuildFailed(f"the recorded Packer writes only below its own folders, not to {destination}")
        self._output.say(f"Downloading {source} => {destination} (recorded)")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(results.render(os.path.basename(path), self._scenario.name, self._profile()))

    def _try_ports(self, step: TemplateStep, announced: str) -> None:
        """The only local step that the builder writes. Its probe runs here, against an emulated machine."""
        asked = re.search(r"\bports-asked\.json\b", _script(step))
        if asked is None:
            raise BuildFailed("the recorded Packer runs no local script but the builder's probe of ports")
        self._output.say(f"Running local shell script: {_what(step)} (recorded, against emulated ports)")
        self._output.message(announced)
        served = importlib.import_module("local.guest.served")
        with open(asked[0], encoding="utf-8") as stream:
            is_set = served.sets_firewall(served.PLATFORM)
            answer = served.answer(json.load(stream), self._scenario.name, is_set=is_set)
        with open("ports-found.json", "w", encoding="utf-8") as stream:
            json.dump(answer, stream)
        for each in answer["ports"]:
            self._output.message(f"{each['port']}/{each['protocol']} ({each['when']}): {each['found']}")

    def _profile(self) -> str:
        for step in self._template.provisioners:
            found = re.search(r"IMAGEFACTORY_PROFILE=[\"']?([\w.-]+)", _script(step))
            if found:
                return found[1]
        return "recorded"

    def _capture(self, machine: str, location: str) -> str:
        say = self._output.say
        say("Powering off machine ...")
        self._cloud.call("POST", f"{machine}/deallocate", _COMPUTE)
        say("Generalizing machine ...")
        self._cloud.call("POST", f"{machine}/generalize", _COMPUTE)
        if self._scenario.name == "fail-capacity":
            raise BuildFailed(
                "AllocationFailed: We do not have sufficient capacity for the requested VM size."
            )
        if self._managed_image:
            say("Capturing image ...")
            image = {
                "location": location,
                "tags": dict(self._source.get("azure_tags") or {}),
                "properties": {
                    "sourceVirtualMachine": {"id": machine},
                    "storageProfile": {"zoneResilient": False},
                },
            }
            self._cloud.call("PUT", self._managed_image, _COMPUTE, image)
        say("Publishing to Shared Image Gallery ...")
        definition, number = self._destination()
        destination = block(self._source["shared_image_gallery_destination"])
        version = f"{definition}/versions/{number}"
        profile: dict[str, Any] = {
            "targetRegions": _regions(destination, location),
            "excludeFromLatest": bool(self._source.get("shared_gallery_image_version_exclude_from_latest")),
        }
        if self._source.get("shared_gallery_image_version_end_of_life_date"):
            profile["endOfLifeDate"] = self._source["shared_gallery_image_version_end_of_life_date"]
        body = {
            "location": location,
            "tags": _tags(self._source),
            "properties": {
                "publishingProfile": profile,
                "storageProfile": {
                    "source": {"id": self._managed_image}
                    if self._managed_image
                    else {"virtualMachineId": machine}
                },
            },
        }
        self._output.message(f"-> SIG image version        : '{number}'")
        self._cloud.call("PUT", version, _GALLERY, body)
        return self._managed_image or version  # Packer leaves the managed image, and names it as its artifact

    def _clean(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):  # all created resources are deleted in any case
            signal.signal(number, signal.SIG_IGN)
        if self._made:
            self._output.say("Deleting individual resources ...")
        self._cloud.hang_up()  # an interrupt may have come during an answer
        for path, version in sorted(self._made, key=lambda each: "/virtualMachines/" not in each[0]):
            try:
                self._cloud.call("DELETE", path, version)
            except CloudError as error:
                self._output.error(
                    f"Error deleting resource. Please delete manually. Name: {path} Error: {error}"
                )

    def _destination(self) -> tuple[str, str]:
        destination = block(self._source.get("shared_image_gallery_destination"))
        return self._gallery(destination), str(destination["image_version"])

    def _gallery(self, values: dict[str, Any]) -> str:
        subscription = values.get("subscription") or self._source["subscription_id"]
        folder = f"/subscriptions/{subscription}/resourceGroups/{values['resource_group']}/providers"
        return f"{folder}/Microsoft.Compute/galleries/{values['gallery_name']}/images/{values['image_name']}"


def _plan(source: dict[str, Any]) -> dict[str, str] | None:
    found = block(source.get("plan_info"))
    if not found:
        return None
    return {key: str(found[f"plan_{key}"]) for key in ("name", "product", "publisher")}


def _tags(source: dict[str, Any]) -> dict[str, str]:
    """The template's tags. The plugin adds four for a plan, of which one is empty (its `config.go`)."""
    tags = dict(source.get("azure_tags") or {})
    plan = block(source.get("plan_info"))
    if plan:
        tags |= {
            "PlanInfo": plan["plan_name"],
            "PlanProduct": plan["plan_product"],
            "PlanPublisher": plan["plan_publisher"],
            "PlanPromotionCode": "",
        }
    return tags


def _regions(destination: dict[str, Any], location: str) -> list[dict[str, Any]]:
    wanted = blocks(destination.get("target_region") or [])
    kind = str(destination.get("storage_account_type") or "Standard_LRS")
    if wanted:
        replicas = [(str(each["name"]), int(each.get("replicas") or 1)) for each in wanted]
    else:
        replicas = [(str(each), 1) for each in destination.get("replication_regions") or [location]]
    return [
        {"name": name, "regionalReplicaCount": count, "storageAccountType": kind} for name, count in replicas
    ]


def _script(step: TemplateStep) -> str:
    """The text of a step's script. It is read for its first output line and never run."""
    path = step.values.get("script")
    if not path:
        return ""
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read(65536)


def _announced(step: TemplateStep) -> str:
    """The first output line of a script of the factory in the guest. Empty if there is none."""
    found = re.search(r"^printf '%s\\n' '(imagefactory: [^']*)'", _script(step), re.MULTILINE)
    return found[1] if found else ""


def _what(step: TemplateStep) -> str:
    values = step.values
    found = (
        values.get("script") or values.get("scripts") or values.get("playbook_file") or values.get("source")
    )
    return str(found or "inline")


def _escape(text: str) -> str:
    return text.replace("%", "%%").replace(",", "%!(PACKER_COMMA)").replace("\r", "\\r").replace("\n", "\\n")
