"""What happens in the world while a page is followed, by the name that the page gives it.

On Azure it happens by itself, or by a command that needs Azure and stands above it on the page. Each is done here as
Azure, Red Hat, a machine or a person in Azure's portal would do it: never through the factory.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import requests
import yaml
from azure.core.exceptions import HttpResponseError

from local.arm import vault
from local.run import storage
from local.run.stack import GALLERY_GROUP, LIVE
from local.run.story import SOURCE
from tests.postdeploy import machine
from tests.runbooks.factory import ServingFactory

RELEASE: Final = "9.8.2026062323"
_SECONDS = 60.0


def _red_hat_publishes(factory: ServingFactory) -> None:
    factory.stack.arm.ask("POST", "marketplace", {**SOURCE, "version": RELEASE})


def _a_machine_reads_its_user_data(factory: ServingFactory) -> None:
    """What cloud-init would write and start, read by the image's program and held against its units."""
    written = yaml.safe_load((factory.desk / "user-data.yaml").read_text(encoding="utf-8"))
    files = {each["path"]: each for each in written["write_files"]}
    mine = files["/etc/imagefactory/postdeploy.json"]
    assert (mine["owner"], mine["permissions"]) == ("root:root", "0600")
    assert list(machine.loaded().problems(json.loads(mine["content"]))) == []
    units = {path.name for path in (machine.FILES / "units").iterdir()}
    started = {words[-1] for words in written["runcmd"] if words[0] == "systemctl"}
    assert started
    assert started <= units


def _the_signing_key_is_rotated(factory: ServingFactory) -> None:
    _vault(factory, "POST", f"/keys/{vault.SIGNING_KEY}/rotate")


def _the_build_will_hang(factory: ServingFactory) -> None:
    factory.story.let_go_wrong({"ml-worker": {"build": "hang"}})


def _builds_work_again(factory: ServingFactory) -> None:
    factory.story.let_go_wrong({})


def _the_payments_version_is_excluded(factory: ServingFactory) -> None:
    _exclude(factory, "payments-api", factory.story.look()["payments-api"]["version"])


def _the_python_versions_are_excluded(factory: ServingFactory) -> None:
    """All children that were built from the bad version, then the bad version, as the page says."""
    bad = factory.story.look()["rhel9-python"]["version"]
    for build in factory.story.admin.get_image("ml-worker")[0]["builds"]:
        if build["result"] == "succeeded" and build["origin_version"] == f"rhel9-python@{bad}":
            _exclude(factory, "ml-worker", build["version"])
    _exclude(factory, "rhel9-python", bad)


def _the_tables_are_lost(factory: ServingFactory) -> None:
    """Somebody deletes them all, and `terraform apply` makes them again, empty."""
    with storage.open_tables(factory.stack.azurite, factory.stack.arm) as tables:
        for name in storage.TABLES:
            tables.delete_table(name)
        for name in storage.TABLES:
            _patiently(lambda name=name: tables.create_table(name))  # type: ignore[misc]


BY_NAME: Final[dict[str, Callable[[ServingFactory], None]]] = {
    "red-hat-publishes": _red_hat_publishes,
    "a-machine-reads-its-user-data": _a_machine_reads_its_user_data,
    "the-signing-key-is-rotated": _the_signing_key_is_rotated,
    "the-build-will-hang": _the_build_will_hang,
    "builds-work-again": _builds_work_again,
    "the-payments-version-is-excluded": _the_payments_version_is_excluded,
    "the-python-versions-are-excluded": _the_python_versions_are_excluded,
    "the-tables-are-lost": _the_tables_are_lost,
}


def _exclude(factory: ServingFactory, image: str, version: str) -> None:
    """As `az sig image-version update` does: the version's own mark and that of each region."""
    arm = factory.stack.arm
    place = (
        f"{arm.arm}/subscriptions/{arm.subscription_id}/resourceGroups/{GALLERY_GROUP}/providers/Microsoft.Compute"
        f"/galleries/{LIVE}/images/{image}/versions/{version}?api-version=2024-03-03"
    )
    shown = _azure(factory, "GET", place, "https://management.azure.com")
    profile: dict[str, Any] = shown["properties"]["publishingProfile"]
    regions = [{**region, "excludeFromLatest": True} for region in profile["targetRegions"]]
    change = {"excludeFromLatest": True, "targetRegions": regions}
    body = {"properties": {"publishingProfile": change, "storageProfile": {}}}
    _azure(factory, "PATCH", place, "https://management.azure.com", body)


def _vault(factory: ServingFactory, method: str, path: str) -> None:
    _azure(
        factory,
        method,
        f"{factory.stack.arm.vault}{path}?api-version=2025-07-01",
        "https://vault.azure.net",
        {},
    )


def _azure(factory: ServingFactory, method: str, url: str, audience: str, body: object = None) -> Any:
    token = factory.stack.arm.token("person", audience)
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(
            method,
            url,
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(factory.stack.arm.ca_file),
            timeout=30,
        )
    answer.raise_for_status()
    return answer.json()


def _patiently(make: Callable[[], object]) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        try:
            make()
            return
        except HttpResponseError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
