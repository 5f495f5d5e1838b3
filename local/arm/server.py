"""The composition root of the emulator: the services, their three listeners, start and stop.

All ports are on loopback. They are free ports unless an option names one. `arm.json` appears when all ports answer.
"""

import asyncio
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp

from local import ca, proxy
from local.arm import gate, http, recorder
from local.arm.compute.deployments import Deployments
from local.arm.compute.images import ManagedImages
from local.arm.compute.machines import Machines
from local.arm.compute.networks import NETWORK, Networks
from local.arm.containers import environment
from local.arm.containers import groups as container_service
from local.arm.containers.quota import RegionLimits
from local.arm.control import Control
from local.arm.event_grid import EventGrid
from local.arm.faults import InjectedFaults
from local.arm.galleries import marketplace
from local.arm.galleries.galleries import GalleryService
from local.arm.galleries.versions import GalleryVersions
from local.arm.identity.entra import Entra
from local.arm.identity.managed import WORKLOAD_PATH, Identities
from local.arm.identity.rights import Rights, builder_grant
from local.arm.identity.tokens import TokenIssuer
from local.arm.management.resources import ResourceService
from local.arm.management.subscriptions import Subscriptions
from local.arm.management.tags import Tags
from local.arm.operations import Operations
from local.arm.request_counts import RequestCounts
from local.arm.rules import versions as api_versions
from local.arm.rules.door import ResourceManagerRules
from local.arm.rules.throttle import DeletionLimit, Throttle
from local.arm.storage import front, roles
from local.arm.store import Store
from local.arm.tag_policy import TagPolicy
from local.arm.vault import Vault
from local.arm.wire import Json, Routes
from local.guest import door
from local.guest.guests import ADDRESS, Guests

_OFFERED = Path(__file__).with_name("marketplace.json")
_SCRATCH = "/tmp"  # noqa: S108 - the shortest path; only we can read the folder in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line. `galleries` are `RESOURCE_GROUP/NAME`, `subnets` are
    `RESOURCE_GROUP/NETWORK/NAME`. `identities` map ids to client ids. `packer` is a real Packer, and its plugins
    are in `plugin_folder`."""

    folder: Path
    ca_folder: Path | None = None
    port: int = 0
    subscriptions: tuple[str, ...]
    tenant: str
    location: str = "westeurope"
    resource_groups: tuple[str, ...] = ()
    galleries: tuple[str, ...] = ()
    builder_client_id: str = ""
    live_galleries: tuple[str, ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)
    replication_seconds: float = 0.5
    definition_seconds: float = 0.0
    gallery_deletion_seconds: float = 0.0
    machine_seconds: float = 0.1
    patience_seconds: float = 2.0
    time_scale: float = 1.0
    retry_after: int = 1
    limits: RegionLimits = field(default_factory=RegionLimits)
    deletion_limit: DeletionLimit = field(default_factory=DeletionLimit)
    scenario: Path | None = None
    packer: Path | None = None
    plugin_folder: Path | None = None
    workload_identity: bool = False
    subnets: tuple[str, ...] = ()
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    record_bodies: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ports:
    """The two HTTP listeners. Azure's own names answer with TLS. Control and the identity endpoints answer without."""

    tls_socket: socket.socket
    plain_socket: socket.socket
    storage: Mapping[str, socket.socket]  # by service, with TLS

    @property
    def tls(self) -> int:
        """The port with TLS."""
        return int(self.tls_socket.getsockname()[1])

    @property
    def plain(self) -> int:
        """The port without TLS."""
        return int(self.plain_socket.getsockname()[1])

    @property
    def arm_url(self) -> str:
        """Resource Manager's address."""
        return f"https://127.0.0.1:{self.tls}"

    @property
    def plain_url(self) -> str:
        """The address of control and of the identity endpoints."""
        return f"http://127.0.0.1:{self.plain}"


def _bind(options: Options) -> _Ports:
    storage = {service: http.bind(0) for service in front.SERVICES}
    return _Ports(tls_socket=http.bind(options.port), plain_socket=http.bind(0), storage=storage)


async def run(options: Options, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then end every container and return."""
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    container_service.clear_folder(options.folder)
    announced = options.folder / "arm.json"
    announced.unlink(missing_ok=True)
    authority = ca.make_authority(options.ca_folder or options.folder / "ca")
    names = ["127.0.0.1", "localhost", *proxy.AZURE_NAMES]
    files = ca.issue_certificate(authority, names, name=f"arm-{os.getpid()}")
    ports = _bind(options)
    operations, counts = Operations(retry_after=options.retry_after), RequestCounts()
    way_out = proxy.Proxy(
        tls=proxy.ProxyTarget(port=ports.tls),
        plain=proxy.ProxyTarget(port=ports.plain),
        refused=counts.refuse,
    )
    listener = await proxy.listen(way_out)
    guests = Guests(scenario_path=str(options.scenario or ""))
    guest_door = await door.open_for(guests) if options.packer else None
    guest_port = guest_door.get_port() if guest_door else 0
    proxy_address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    tokens = TokenIssuer(tenant=options.tenant, authority=ports.arm_url)
    storage = _storage(options, tokens, authority.ca_file, ports)
    platform = _platform(options, ports, authority.ca_file, proxy_address, guest_port, storage.addresses)
    header = environment.new_identity_header()
    app, control, groups = _assemble(options, tokens, platform, header, operations, counts, guests, storage)
    secret = secrets.token_urlsafe(32)
    plain_app = http.as_app(control.answer, control.control.app(secret), prefix="/_control/")
    servers = [
        (http.Server.of(app, files), ports.tls_socket),
        (http.Server.of(plain_app), ports.plain_socket),
        *((http.Server.of(each, files), ports.storage[each.service]) for each in storage.both),
    ]
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in servers]
    try:
        await http.wait_started([server for server, _ in servers])
        facts = _announcement(options, ports, platform, header, guest_port)
        _announce(announced, {**facts, "control_secret": secret})
        await stop.wait()
    finally:
        announced.unlink(missing_ok=True)
        await groups.close()  # before the ports close: a builder that gets SIGTERM cleans up first
        await platform.starter.close()
        listener.close()
        if guest_door is not None:
            guest_door.close()
        await operations.close()
        for server, _ in servers:
            # No answer is worth waiting for. Uvicorn's own timeout of 0 says so too, but logs an error for it.
            server.force_exit = server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        shutil.rmtree(platform.scratch, ignore_errors=True)
        files.certificate.unlink(missing_ok=True)
        files.key.unlink(missing_ok=True)


def _platform(
    options: Options,
    ports: _Ports,
    ca_file: Path,
    proxy_address: str,
    guest_port: int,
    addresses: Mapping[str, str],
) -> environment.ContainerPlatform:
    real = options.packer and environment.write_real_packer(options.folder, options.packer, guest_port)
    return environment.ContainerPlatform(
        folder=options.folder,
        scratch=Path(tempfile.mkdtemp(prefix="if-", dir=_SCRATCH if os.path.isdir(_SCRATCH) else None)),
        ca_file=ca_file,
        identity_endpoint=f"{ports.plain_url}/msi/token",
        proxy=proxy_address,
        packer=real or environment.write_recorded_packer(options.folder),
        scenario=options.scenario,
        programs={**environment.default_programs(), **options.programs},
        plugin_folder=options.plugin_folder,
        workload_url=_workload_url(ports) if options.workload_identity else "",
        tenant=options.tenant,
        starter=environment.fork_server(options.folder),
        addresses=addresses,
    )


def _storage(options: Options, tokens: TokenIssuer, ca_file: Path, ports: _Ports) -> front.StorageFronts:
    """What containers find in place of storage, with the roles of the builder's identity."""
    storage_roles = roles.StorageRoles()
    for name, scope in roles.BUILDER_ROLES if options.builder_client_id else ():
        storage_roles.add(roles.StorageRole(client_id=options.builder_client_id, name=name, scope=scope))
    numbers = {service: int(bound.getsockname()[1]) for service, bound in ports.storage.items()}
    return front.fronts(tokens, storage_roles, ca_file, numbers)


def _workload_url(ports: _Ports) -> str:
    # The address holds a first parameter, because a client may append its own after an ampersand.
    return f"{ports.plain_url}{WORKLOAD_PATH}?api-version=2"


def _announcement(
    options: Options, ports: _Ports, platform: environment.ContainerPlatform, header: str, guest_port: int
) -> Json:
    """The content of `arm.json`, for clients."""
    return {
        "pid": os.getpid(),
        "arm": ports.arm_url,
        "authority": ports.arm_url,
        "vault": ports.arm_url,
        "identity_endpoint": platform.identity_endpoint,
        "identity_header": header,
        "proxy": platform.proxy,
        "ca_file": str(platform.ca_file),
        "control": f"{ports.plain_url}/_control",
        "subscription_id": options.subscriptions[0],
        "tenant_id": options.tenant,
        "location": options.location,
        "packer": str(platform.packer),
        "guest_port": guest_port,
        "workload_url": _workload_url(ports),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """The applications of the port without TLS."""

    answer: http.Answering
    control: Control


def _assemble(
    options: Options,
    tokens: TokenIssuer,
    platform: environment.ContainerPlatform,
    header: str,
    operations: Operations,
    counts: RequestCounts,
    guests: Guests,
    storage: front.StorageFronts,
) -> tuple[ASGIApp, _Plain, container_service.ContainerGroupService]:
    store, faults, policy, vault = Store(), InjectedFaults(), TagPolicy(), Vault()
    identities = _identities(options, tokens, header)
    events, offered = EventGrid(operations, tenant=options.tenant), marketplace.load(_OFFERED)
    galleries, versions = _galleries(options, store, operations, events)
    made = options.machine_seconds * options.time_scale
    machines = Machines(store, operations, offered, guests, seconds=made)
    images = ManagedImages(store, operations, seconds=made)
    networks = Networks(store, operations, address=ADDRESS, patience=options.patience_seconds)
    deployments = _deployments(store, operations, machines, networks, guests, policy)
    groups = container_service.ContainerGroupService(
        store, operations, platform, limits=options.limits, attach=identities.attach
    )
    resources, published = _seeded(options, store, operations, galleries, networks), api_versions.load()
    services = gate.Services(
        open=tuple(Entra(tokens, arm=tokens.authority).routes()),
        vault=tuple(vault.routes()),
        arm=(
            *offered.routes(),
            *versions.routes(),
            *galleries.routes(),
            *groups.routes(),
            *deployments.routes(),
            *machines.routes(),
            *images.routes(),
            *networks.routes(),
            *Tags(store).routes(),
            *_subscriptions(options, published, offered).routes(),
            *resources.routes(),
            *operations.routes(),
        ),
    )
    operations.read_with(Routes(services.arm).find)
    rules = ResourceManagerRules(store, published, Throttle(options.deletion_limit))
    checks = gate.Checks(
        tokens=tokens, rights=_rights(options), faults=faults, counts=counts, policy=policy, rules=rules
    )
    door = gate.FrontDoor(services, checks, subscriptions=options.subscriptions)
    side_door = gate.FrontDoor(gate.Services(open=tuple(identities.routes())), checks, subscriptions=())
    control = Control(
        checks,
        store=store,
        marketplace=offered,
        containers=groups,
        vault=vault,
        events=events,
        guests=guests,
        storage=storage,
    )
    answering = recorder.recording(door.answer, options.record_bodies)
    return http.as_app(answering), _Plain(answer=side_door.answer, control=control), groups


def _deployments(
    store: Store,
    operations: Operations,
    machines: Machines,
    networks: Networks,
    guests: Guests,
    policy: TagPolicy,
) -> Deployments:
    return Deployments(store, operations, machines, networks, scenario_for=guests.scenario_for, policy=policy)


def _identities(options: Options, tokens: TokenIssuer, header: str) -> Identities:
    builder = options.builder_client_id
    return Identities(tokens, host_header=header, builder_client_id=builder, known=options.identities)


def _rights(options: Options) -> Rights:
    rights = Rights()
    if options.builder_client_id:
        rights.add(builder_grant(options.builder_client_id, options.live_galleries))
    return rights


def _galleries(
    options: Options, store: Store, operations: Operations, events: EventGrid
) -> tuple[GalleryService, GalleryVersions]:
    deletion = options.gallery_deletion_seconds * options.time_scale
    galleries = GalleryService(
        store,
        operations,
        definition_seconds=options.definition_seconds * options.time_scale,
        deletion_seconds=deletion,
    )
    versions = GalleryVersions(
        store,
        operations,
        announce=events.announce,
        replication_seconds=options.replication_seconds * options.time_scale,
        deletion_seconds=deletion,
    )
    return galleries, versions


def _subscriptions(
    options: Options, published: api_versions.ApiVersions, offered: marketplace.MarketplaceService
) -> Subscriptions:
    return Subscriptions(
        published,
        subscriptions=options.subscriptions,
        tenant=options.tenant,
        locations=sorted({options.location, *offered.locations}),
    )


def _seeded(
    options: Options, store: Store, operations: Operations, galleries: GalleryService, networks: Networks
) -> ResourceService:
    resources = ResourceService(store, operations)
    home = f"/subscriptions/{options.subscriptions[0]}/resourceGroups"
    groups = {
        *options.resource_groups,
        *(each.split("/")[0] for each in (*options.galleries, *options.subnets)),
    }
    for group in sorted(groups):
        resources.seed_group(f"{home}/{group}", options.location)
    for each in options.galleries:
        group, name = each.split("/")
        galleries.seed(f"{home}/{group}/providers/Microsoft.Compute/galleries/{name}", options.location)
    for each in options.subnets:
        group, network, name = each.split("/")
        networks.seed_subnet(f"{home}/{group}/providers/{NETWORK}/{network}", name, options.location)
    return resources


def _announce(path: Path, facts: Json) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    partial.chmod(0o600)
    partial.replace(path)
