"""What a stranger must not change, read before and after."""

import time
from collections.abc import Mapping
from typing import Any

import requests
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from local.run import stack, storage
from tests.end_to_end.hostile.factory import BASE, OPERATOR, PAY, Week, blobs_of, operator_options

_GALLERY_VERSIONS = "2023-07-03"


def settle(week: Week) -> None:
    """Wait until the factory has taken every message: what an attempt set going has happened then."""
    deadline = time.monotonic() + 30
    with QueueServiceClient(week.running.azurite.queue, **operator_options(week)) as queues:
        for name in storage.QUEUES:
            while queues.get_queue_client(name).get_queue_properties().approximate_message_count:
                if time.monotonic() > deadline:
                    raise AssertionError(f"the queue {name} is not empty after 30 s")
                time.sleep(0.2)


def snapshot(week: Week) -> dict[str, Any]:
    """Everything that a stranger must not change, by a name for people. Read as SecOps and as the operator of Azure."""
    admin = week.client(OPERATOR)
    found: dict[str, Any] = {}
    for name in (BASE, PAY):
        view, etag = admin.get_image(name)
        kept = {
            key: view[key] for key in ("team", "version", "state", "definition", "bundle", "active_build")
        }
        found[f"image {name}"] = {**kept, "etag": etag, "builds": [each["id"] for each in view["builds"]]}
    for name in (BASE, PAY):
        lines = [each for page in admin.list_history(name, "journal", "", 200) for each in page["entries"]]
        found[f"journal of {name}"] = lines
    found["images"] = sorted(
        (each["name"], each["team"]) for each in admin.list_images(None) if each["team"] != "evil"
    )
    for path in (
        "/api/policy",
        "/api/policy/versions",
        "/api/names",
        "/api/pause",
        "/api/poison",
        "/api/outages",
    ):
        found[path] = admin.get(path)
    found["receivers"] = sorted(
        (each["id"], each["state"], str(each["wants"]))
        for each in admin.get("/api/receivers")["receivers"]
        if not each["id"].startswith("evil--")
    )
    with blobs_of(week) as blobs:
        for container in ("bundles", "provenance", "jobs", "builds"):
            found[f"blobs of {container}"] = {
                each.name: each.etag
                for each in blobs.get_container_client(container).list_blobs()
                if each.name[:64] not in week.own_digests and not each.name.startswith("evil-")
            }
    with TableServiceClient(week.running.azurite.table, **operator_options(week)) as tables:
        rows = tables.get_table_client("index").query_entities("PartitionKey eq 'bundles'")
        found["owners of bundles"] = {
            row["RowKey"]: str(dict(row)) for row in rows if row["RowKey"] not in week.own_digests
        }
    found["live gallery"] = _gallery(week)
    return found


def _gallery(week: Week) -> dict[str, Any]:
    """Every version of the live gallery as ARM shows it: tags, source and whether it is out of `latest`."""
    arm = week.running.arm
    token = storage.OperatorCredential(arm).get_token("https://management.azure.com/.default").token
    found = {}
    with requests.Session() as session:
        session.trust_env = False
        for each in arm.ask("GET", "state")["versions"]:
            if f"/galleries/{stack.LIVE}/" not in each.lower() and "/images/evil-" not in each.lower():
                continue
            got = session.get(
                f"{arm.arm}{each}?api-version={_GALLERY_VERSIONS}",
                headers={"Authorization": f"Bearer {token}"},
                verify=str(arm.ca_file),
                timeout=30,
            )
            got.raise_for_status()
            shown = got.json()
            found[each] = {"tags": shown.get("tags"), "properties": shown["properties"]}
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is not as it was, one line each."""
    return [
        f"{name}: {before.get(name)} became {after.get(name)}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
