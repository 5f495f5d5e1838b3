"""Start and stop everything that the factory needs on this machine: Azurite, ARM, the Functions host.

Each run has its own folder, ports and certificate authority. So two runs never touch each other.
"""

import contextlib
import json
import os
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local import azurite, ca, processes
from local.arm import launch, vault
from local.arm.identity import rights
from local.defender import Defender
from local.real_packer import RealPacker
from local.run import storage
from local.run.watch import WatchedProgram

CHECKOUT = Path(__file__).resolve().parents[2]
AUDIENCE = "api://imagefactory"
_SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"  # the emulator's default
BUILD_GROUP, GALLERY_GROUP = "rg-build", "rg-galleries"
_SUBNET = ("rg-network", "vnet-factory", "snet-machines")  # resource group, network, subnet
QUARANTINE, LIVE = "quarantine", "live"
TAGS = {"cost-centre": "4711 & 4712"}
_SCAN_EVERY = 0.3  # seconds between two rounds; on Azure a scan takes seconds to minutes
FUNCTION_CLIENT = "33333333-3333-4333-8333-333333333333"
PUBLISHER_CLIENT = "66666666-6666-4666-8666-666666666666"
CLEANER_CLIENT = "67676767-6767-4767-8767-676767676767"
BUILDER_CLIENT = "44444444-4444-4444-8444-444444444444"


@dataclass(slots=True, kw_only=True)
class Stack:
    """The running programs. `host` changes when the Functions host is killed and started again."""

    folder: Path
    arm: launch.RunningArm
    azurite: azurite.RunningAzurite
    host: processes.Running
    url: str
    settings: Path

    def restart_host(self) -> None:
        """Start a Functions host again after the old one has ended. It has the same settings and a new port."""
        self.host, self.url = _start_host(self.folder, self.settings, self.arm)

    def parts(self) -> tuple[WatchedProgram, ...]:
        """The programs that must run as long as the stack does."""
        return (
            WatchedProgram(name="the Functions host", child=self.host.child, log=self.host.log),
            WatchedProgram(name="the ARM emulator", child=self.arm.child, log=self.arm.log),
            WatchedProgram(name="Azurite", child=self.azurite.running.child, log=self.azurite.log),
        )

    def token(self, subject: str, *, roles: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> str:
        """An access token of the local Entra for our API."""
        return self.arm.token(subject, AUDIENCE, roles=roles, groups=groups)


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    scenario: Path | None = None,
    poll_seconds: int = 2,
    packer: RealPacker | None = None,
    record_bodies: Path | None = None,
) -> Iterator[Stack]:
    """All programs, ready for use. They are stopped in any case, in the opposite order.

    Builders run `packer`, or the recorded Packer if it is None. Bodies sent to ARM are appended to `record_bodies`.
    """
    authority = ca.make_authority(folder / "ca")
    certificate = ca.issue_certificate(authority, ["127.0.0.1", "localhost"])
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(max_workers=1) as pool:
        # Only ARM is started in this thread. The kernel kills a child of `processes` with the thread that started it.
        starting_arm = pool.submit(_start_arm, folder, scenario, packer, record_bodies)
        try:
            store = azurite.start(
                folder / "azurite", certificate=certificate.certificate, key=certificate.key
            )
            stack.callback(store.stop)
        finally:
            arm = starting_arm.result()
            stack.callback(arm.stop)
        storage.prepare(store, arm)
        # Containers reach storage through the roles of their identity, which Azurite does not know.
        arm.ask("POST", "storage", {"blob": store.blob, "queue": store.queue})
        stack.enter_context(_scanner_of(store, arm))
        _limit_function(arm)
        # As in a subscription whose Azure Policy demands a tag: a resource that is made without it fails the run.
        arm.ask("POST", "tag-policy", {"tag": next(iter(TAGS))})
        settings = _write_settings(folder, store, arm, poll_seconds)
        host, url = _start_host(folder, settings, arm)
        made = Stack(folder=folder, arm=arm, azurite=store, host=host, url=url, settings=settings)
        stack.callback(lambda: made.host.stop())
        yield made


@contextlib.contextmanager
def _scanner_of(store: azurite.RunningAzurite, arm: launch.RunningArm) -> Iterator[None]:
    """Defender for Storage, which scans what is written and tags it. Azurite does not know it."""
    with storage.open_blobs(store, arm) as blobs, Defender(service=blobs).watching(every=_SCAN_EVERY):
        yield


def _start_arm(
    folder: Path, scenario: Path | None, packer: RealPacker | None, record_bodies: Path | None
) -> launch.RunningArm:
    # As on Azure: the builder may not create public addresses, so its machines use an existing subnet.
    options = ["--machine-seconds=0.02", "--grace-seconds=30", f"--subnet={'/'.join(_SUBNET)}"]
    options += [
        "--definition-seconds=0.2",
        "--gallery-deletion-seconds=0.2",
    ]  # nothing is made or deleted at once
    options += [] if record_bodies is None else [f"--record-bodies={record_bodies}"]
    if packer is not None:
        options += [f"--packer={packer.program}", f"--packer-plugins={packer.plugin_folder}"]
        options += [] if packer.has_managed_identity else ["--workload-identity"]
    return launch.start(
        folder / "arm",
        ca_folder=folder / "ca",
        resource_groups=[BUILD_GROUP, GALLERY_GROUP],
        galleries=[f"{GALLERY_GROUP}/{QUARANTINE}", f"{GALLERY_GROUP}/{LIVE}"],
        live_galleries=[LIVE],
        builder_client_id=BUILDER_CLIENT,
        identities={_identity(_SUBSCRIPTION, "builder"): BUILDER_CLIENT},
        replication_seconds=0.1,
        options=options,
        scenario=scenario,
    )


def _limit_function(arm: launch.RunningArm) -> None:
    """Rights as in the roles of infra/: the application's own identity writes no version into any gallery."""
    for client, actions in (
        (FUNCTION_CLIENT, rights.FUNCTION_ACTIONS),
        (PUBLISHER_CLIENT, rights.PUBLISHER_ACTIONS),
        (CLEANER_CLIENT, rights.CLEANER_ACTIONS),
    ):
        arm.ask("POST", "rights", {"client_id": client, "actions": list(actions)})


def _identity(subscription: str, name: str) -> str:
    return (
        f"/subscriptions/{subscription}/resourceGroups/{BUILD_GROUP}"
        f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )


def _subnet(subscription: str) -> str:
    group, network, name = _SUBNET
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.Network/virtualNetworks/{network}/subnets/{name}"
    )


def _write_settings(
    folder: Path, store: azurite.RunningAzurite, arm: launch.RunningArm, poll_seconds: int
) -> Path:
    """The settings of the function app: as on Azure, except for endpoints, certificate authority and pace."""
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage__blobServiceUri": store.blob,
        "AzureWebJobsStorage__queueServiceUri": store.queue,
        "AzureWebJobsStorage__tableServiceUri": store.table,
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": FUNCTION_CLIENT,
        "POLL_SCHEDULE": f"*/{poll_seconds} * * * * *",
        "SWEEP_SCHEDULE": "*/15 * * * * *",
        "OBSERVE_SCHEDULE": "*/30 * * * * *",
        "ADMIT_SCHEDULE": "* * * * * *",
        "PRUNE_SCHEDULE": "0 7-59/15 * * * *",
        "FACTORY_SUBSCRIPTION_ID": arm.subscription_id,
        "FACTORY_TENANT_ID": arm.tenant_id,
        "FACTORY_LOCATION": arm.location,
        "FACTORY_BUILD_RESOURCE_GROUP": BUILD_GROUP,
        "FACTORY_GALLERY_RESOURCE_GROUP": GALLERY_GROUP,
        "FACTORY_QUARANTINE_GALLERY": QUARANTINE,
        "FACTORY_LIVE_GALLERIES": LIVE,
        "FACTORY_BUILDER_IMAGE": "local.azurecr.io/imagefactory-builder@sha256:" + "0" * 64,
        "FACTORY_BUILDER_IDENTITY_ID": _identity(arm.subscription_id, "builder"),
        "FACTORY_BUILDER_CLIENT_ID": BUILDER_CLIENT,
        "FACTORY_CLIENT_ID": FUNCTION_CLIENT,
        "FACTORY_PUBLISHER_CLIENT_ID": PUBLISHER_CLIENT,
        "FACTORY_CLEANER_CLIENT_ID": CLEANER_CLIENT,
        "FACTORY_BUILD_SUBNET_ID": "",
        "FACTORY_VM_SUBNET_ID": _subnet(arm.subscription_id),
        "FACTORY_SLOTS": "4",
        "FACTORY_CREATES_PER_HOUR": "300",
        "FACTORY_TEAM_SLOTS": "4",
        "FACTORY_WAIT_SECONDS": "1",
        "FACTORY_KEY_VAULT_URI": arm.vault,
        "FACTORY_SIGNING_KEY": f"{arm.vault}/keys/{vault.SIGNING_KEY}",
        "FACTORY_RESOURCE_TAGS": json.dumps(TAGS),
        "FACTORY_API_AUDIENCE": AUDIENCE,
        "FACTORY_AUTHORITY": arm.authority,
        "FACTORY_ARM_ENDPOINT": arm.arm,
        "FACTORY_CA_FILE": str(arm.ca_file),
    }
    path = folder / "local.settings.json"
    path.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=1), encoding="utf-8")
    return path


def _start_host(folder: Path, settings: Path, arm: launch.RunningArm) -> tuple[processes.Running, str]:
    """Start the Functions host with an identity endpoint, as on App Service, and subscribe it to the galleries."""
    announce = folder / "host" / "host.json"
    announce.parent.mkdir(exist_ok=True)
    announce.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.200",
        "IDENTITY_ENDPOINT": arm.identity_endpoint,
        "IDENTITY_HEADER": arm.identity_header,
        **direct(os.environ),
        "PYTHON_THREADPOOL_THREAD_COUNT": "8",
        "REQUESTS_CA_BUNDLE": str(arm.ca_file),
    }
    command: list[str | Path] = [sys.executable, "-m", "local.host", "--app-dir", CHECKOUT]
    command += ["--settings", settings, "--announce", announce, "--lease-seconds", "5"]
    host = processes.start(
        "the Functions host",
        command,
        log=folder / "host" / "host.log",
        ready=announce.exists,
        timeout=40,
        folder=CHECKOUT,
        environment=environment,
    )
    announced = json.loads(announce.read_text(encoding="utf-8"))
    arm.ask("POST", "event-grid", {"endpoint": _webhook(announced["url"], announced["key"])})
    return host, str(announced["url"])


def direct(environment: Mapping[str, str]) -> dict[str, str]:
    """The names that are reached without a proxy: those of the environment, and this machine.

    In both spellings: requests reads the lower one first, and a machine of a company may set either.
    """
    names = [environment.get("no_proxy", ""), environment.get("NO_PROXY", ""), "127.0.0.1,localhost"]
    told = ",".join(dict.fromkeys(filter(None, ",".join(names).split(","))))
    return {"no_proxy": told, "NO_PROXY": told}


def _webhook(url: str, key: str) -> str:
    """Where Event Grid delivers the events of gallery versions, as infra/events.tf subscribes the function."""
    query = urllib.parse.urlencode({"functionName": "observe_gallery_event", "code": key})
    return f"{url}/runtime/webhooks/EventGrid?{query}"
