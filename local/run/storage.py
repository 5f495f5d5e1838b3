"""The queues, tables and blob containers that Terraform creates in the storage account on Azure."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from azure.core.credentials import AccessToken
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.arm.launch import RunningArm
from local.azurite import RunningAzurite

QUEUES = (
    "rebuild-requests",
    "dispatch-requests",
    "build-steps",
    "build-events",
    "image-published",
    "notification-requests",
)
TABLES = ("images", "index", "capacity")
_OPERATOR = "55555555-5555-4555-8555-555555555555"  # the person or program that deploys
# Azurite is on this machine: no proxy of the environment is asked (azure-core, RequestsTransport: use_env_settings).
_DIRECT: dict[str, Any] = {"use_env_settings": False}
CONTAINERS = ("bundles", "definitions", "jobs", "builds", "provenance", "catalog-quarantine", "catalog")


class OperatorCredential:
    """Storage tokens of the deployer, from the emulator's identity endpoint."""

    def __init__(self, arm: RunningArm) -> None:
        self._arm = arm

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        """The token, in the form that the Azure SDKs expect."""
        resource = scopes[0].removesuffix("/.default")
        query = urllib.parse.urlencode(
            {"api-version": "2019-08-01", "resource": resource, "client_id": _OPERATOR}
        )
        request = urllib.request.Request(  # noqa: S310 - the loopback address that the emulator announced
            f"{self._arm.identity_endpoint}?{query}", headers={"X-IDENTITY-HEADER": self._arm.identity_header}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            token = json.load(answer)["access_token"]
        return AccessToken(str(token), int(time.time()) + 3000)


def prepare(store: RunningAzurite, arm: RunningArm) -> None:
    """Create the missing queues, tables and containers."""
    credential = OperatorCredential(arm)
    verify = {"connection_verify": str(arm.ca_file), "credential": credential, **_DIRECT}
    with (
        BlobServiceClient(store.blob, **verify) as blobs,
        QueueServiceClient(store.queue, **verify) as queues,
        TableServiceClient(store.table, **verify) as tables,
    ):
        _each(blobs.create_container, CONTAINERS)
        _each(queues.create_queue, QUEUES)
        _each(tables.create_table_if_not_exists, TABLES)


def open_blobs(store: RunningAzurite, arm: RunningArm) -> BlobServiceClient:
    """The account's blobs, as the deployer sees them. Close it after use."""
    credential: Any = OperatorCredential(arm)  # the SDK's stub wants its own protocol
    return BlobServiceClient(store.blob, credential=credential, connection_verify=str(arm.ca_file), **_DIRECT)


def open_tables(store: RunningAzurite, arm: RunningArm) -> TableServiceClient:
    """The account's tables, as the deployer sees them. Close it after use."""
    credential: Any = OperatorCredential(arm)  # the SDK's stub wants its own protocol
    return TableServiceClient(
        store.table, credential=credential, connection_verify=str(arm.ca_file), **_DIRECT
    )


def _each(create: Callable[[str], object], names: Sequence[str]) -> None:
    for name in names:
        create(name)
