"""`python -m local.arm --folder DIR`: serve until SIGTERM, SIGINT or, with `--with-parent`, the parent's end."""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.arm import server
from local.arm.containers.quota import RegionLimits
from local.arm.rules.throttle import DeletionLimit

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
TENANT = "22222222-2222-4222-8222-222222222222"


def parse(arguments: list[str] | None = None) -> tuple[server.Options, bool]:
    """The options, and whether to end with the parent."""
    parser = argparse.ArgumentParser(prog="python -m local.arm", description=__doc__)
    _add_world(parser.add_argument)
    _add_pace_and_limits(parser.add_argument)
    _add_programs(parser.add_argument)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args(arguments)
    for each in given.gallery:
        if each.count("/") != 1:
            parser.error(f"--gallery {each}: write RESOURCE_GROUP/NAME")
    for each in given.subnet:
        if each.count("/") != 2:
            parser.error(f"--subnet {each}: write RESOURCE_GROUP/NETWORK/NAME")
    return _options(given), given.with_parent


def _add_world(add: Callable[..., Any]) -> None:
    """Add the options for ports and folders, and for what exists from the start."""
    add("--folder", type=Path, required=True, help="own folder: arm.json, containers, certificates")
    add("--ca-folder", type=Path, help="folder of an authority to share (default: FOLDER/ca)")
    add("--port", type=int, default=0, help="port of ARM (default: a free one)")
    add("--subscription", action="append", default=[], help="a subscription that exists (repeatable)")
    add("--tenant", default=TENANT)
    add("--location", default="westeurope")
    add("--resource-group", action="append", default=[], help="exists from the start (repeatable)")
    add(
        "--gallery",
        action="append",
        default=[],
        metavar="GROUP/NAME",
        help="exists from the start (repeatable)",
    )
    add("--subnet", action="append", default=[], metavar="GROUP/NETWORK/NAME", help="exists (repeatable)")
    add("--builder-client-id", default="", help="limited to the builder's role; every container's identity")
    add("--live-gallery", action="append", default=[], help="the builder may only read it (repeatable)")
    add("--identity", action="append", default=[], metavar="RESOURCE_ID=CLIENT_ID", help="(repeatable)")


def _add_pace_and_limits(add: Callable[..., Any]) -> None:
    """Add the options for times and for the region's limits."""
    add("--replication-seconds", type=float, default=0.5)
    add("--definition-seconds", type=float, default=0.0, help="an image definition is Creating for so long")
    add("--gallery-deletion-seconds", type=float, default=0.0, help="of a gallery, a definition or a version")
    add("--machine-seconds", type=float, default=0.1)
    add(
        "--patience-seconds",
        type=float,
        default=2.0,
        help="how long the deletion of a machine's resource waits for that machine's own deletion (Azure: 0)",
    )
    add("--time-scale", type=float, default=1.0, help="multiplies replication and machine seconds")
    add(
        "--retry-after", type=int, default=1, help="seconds that asynchronous operations ask a client to wait"
    )
    add("--start-seconds", type=float, default=0.05, help="seconds of a container group from PUT to running")
    add("--grace-seconds", type=float, default=30.0, help="seconds from SIGTERM to SIGKILL of a container")
    add("--delete-seconds", type=float, default=0.05, help="seconds from a group's last process to its 404")
    add(
        "--restarts",
        type=int,
        default=1,
        help="how often a container is started again that ended with another code than 0 (Azure: may do so)",
    )
    add("--restart-seconds", type=float, default=1.0, help="how long it waits for that")
    add("--missing-image", action="append", default=[], metavar="TEXT", help="cannot be pulled (repeatable)")
    add(
        "--deletion-bucket",
        type=int,
        default=200,
        help="deletions at once that Resource Manager lets a caller make",
    )
    add("--deletion-refill", type=float, default=10.0, help="deletions that it gives back each second")
    add("--group-limit", type=int, default=100)
    add("--core-limit", type=float, default=100)
    for what in ("creates", "deletes"):
        add(f"--{what}-per-hour", type=int, default=300)
        add(f"--{what}-per-5-minutes", type=int, default=100)


def _add_programs(add: Callable[..., Any]) -> None:
    """Add the options for the programs in containers and for their builds."""
    add("--scenario", type=Path, help="JSON file: the outcomes of builds of the recorded Packer")
    add("--packer", type=Path, help="a real Packer for PACKER_PATH (default: the recorded one)")
    add("--packer-plugins", type=Path, help="the folder of its plugins, for PACKER_PLUGIN_PATH")
    add("--record-bodies", type=Path, metavar="FILE", help="append each body sent to ARM, as a line of JSON")
    add("--workload-identity", action="store_true", help="containers sign in to Azure as a workload identity")
    add(
        "--program",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a further program (repeatable)",
    )


def _options(given: argparse.Namespace) -> server.Options:
    return server.Options(
        folder=given.folder.resolve(),
        ca_folder=given.ca_folder.resolve() if given.ca_folder else None,
        port=given.port,
        subscriptions=tuple(given.subscription) or (SUBSCRIPTION,),
        tenant=given.tenant,
        location=given.location,
        resource_groups=tuple(given.resource_group),
        galleries=tuple(given.gallery),
        builder_client_id=given.builder_client_id,
        live_galleries=tuple(given.live_gallery),
        identities=dict(each.rsplit("=", 1) for each in given.identity),
        replication_seconds=given.replication_seconds,
        definition_seconds=given.definition_seconds,
        gallery_deletion_seconds=given.gallery_deletion_seconds,
        machine_seconds=given.machine_seconds,
        patience_seconds=given.patience_seconds,
        time_scale=given.time_scale,
        retry_after=given.retry_after,
        deletion_limit=DeletionLimit(bucket=given.deletion_bucket, per_second=given.deletion_refill),
        limits=RegionLimits(
            groups=given.group_limit,
            cores=given.core_limit,
            creates_per_hour=given.creates_per_hour,
            creates_per_burst=given.creates_per_5_minutes,
            deletes_per_hour=given.deletes_per_hour,
            deletes_per_burst=given.deletes_per_5_minutes,
            delete_seconds=given.delete_seconds * given.time_scale,
            restarts=given.restarts,
            restart_seconds=given.restart_seconds,
            missing_images=tuple(given.missing_image),
            start_seconds=given.start_seconds * given.time_scale,
            grace_seconds=given.grace_seconds,
        ),
        scenario=given.scenario.resolve() if given.scenario else None,
        packer=given.packer.resolve() if given.packer else None,
        plugin_folder=given.packer_plugins.resolve() if given.packer_plugins else None,
        workload_identity=given.workload_identity,
        record_bodies=given.record_bodies.resolve() if given.record_bodies else None,
        subnets=tuple(given.subnet),
        programs={
            name: tuple(shlex.split(command)) for name, command in (_pair(each) for each in given.program)
        },
    )


async def main(options: server.Options, *, with_parent: bool) -> None:
    """Serve until a signal, or with `with_parent` until standard input is closed."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), _watch, stop)
    await server.run(options, stop)


def _watch(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 64):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _pair(text: str) -> tuple[str, str]:
    name, _, rest = text.partition("=")
    return name, rest


if __name__ == "__main__":
    chosen, ends_with_parent = parse()
    try:
        asyncio.run(main(chosen, with_parent=ends_with_parent))
    except OSError as error:
        sys.exit(f"arm emulator: cannot start: {error}")
