"""What happens in the world while a page is followed, by the name that the page gives it.

On Azure it happens by itself, or by a command that needs Azure and stands above it on the page. Each is done here as
Azure, Red Hat, a machine or a person in Azure's portal would do it: never through the factory.
"""

import json
import shutil
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import requests
import yaml
from azure.core.exceptions import HttpResponseError

from imagefactory import folders, registration
from imagefactory.registration import ExpectedVersion
from local.arm import vault
from local.run import demonstration, storage
from local.run.stack import GALLERY_GROUP, LIVE
from local.run.story import SOURCE
from tests.postdeploy import machine
from tests.runbooks.factory import ServingFactory

RELEASE: Final = "9.8.2026062323"
SECOND_LEVEL: Final = "ml-training"
_SECONDS = 60.0
_BUILD = 300.0  # seconds for one build, or for its first phases


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


def _a_receiver_has_a_secret(factory: ServingFactory) -> None:
    """Two receivers, of which the page needs the second; each has a secret that no other is valid beside."""
    admin = factory.story.admin
    for host in ("first.acme.corp", "hooks.acme.corp"):
        added = admin.add_receiver(
            {"webhook": f"https://{host}/secops", "events": [], "alerts": True, "bases": False}
        )
        if added["state"] == "no-secret":
            admin.ask_receiver("POST", added["id"], "secret")


def _a_policy_is_in_force(factory: ServingFactory) -> None:
    document = {
        "apiVersion": "imagefactory/v1",
        "kind": "Policy",
        "spec": {"compliance": {"profile": "cis_server_l1", "minScore": 90}},
    }
    factory.story.admin.put_policy(document, factory.story.admin.find_policy_etag())


def _a_build_hangs(factory: ServingFactory) -> None:
    factory.story.let_go_wrong({"ml-worker": {"build": "hang"}})
    _ask_for(factory, "ml-worker")
    _until(
        "the build of ml-worker is in its phase building", lambda: _phase(factory, "ml-worker") == "building"
    )


def _phase(factory: ServingFactory, image: str) -> object:
    active = factory.story.look()[image]["active_build"]
    return factory.story.admin.get_build(active)["phase"] if active else None


def _builds_work_again(factory: ServingFactory) -> None:
    factory.story.let_go_wrong({})


def _the_payments_version_is_excluded(factory: ServingFactory) -> None:
    _exclude(factory, "payments-api", factory.story.look()["payments-api"]["version"])


def _payments_has_two_versions(factory: ServingFactory) -> None:
    """The newest is current and was never taken out of latest, and the one before it is in latest."""
    if sum(image == "payments-api" for image, _ in factory.story.live_versions()) < 2:
        _build_again(factory, "payments-api")


def _a_version_has_two_levels_below_it(factory: ServingFactory) -> None:
    """An image is made from `ml-worker`; then all three are built from a newer version of Python."""
    folder = factory.desk / demonstration.FOLDER / SECOND_LEVEL
    shutil.copytree(folder.parent / "ml-worker", folder, dirs_exist_ok=True)
    definition = folder / "image.yaml"
    text = definition.read_text(encoding="utf-8")
    text = text.replace("name: ml-worker", f"name: {SECOND_LEVEL}").replace(
        "image: rhel9-python", "image: ml-worker"
    )
    definition.write_text(text, encoding="utf-8")
    registration.register(factory.story.admin, folders.load_image(folder), ExpectedVersion())
    factory.wait_until_quiet()
    _build_again(factory, "rhel9-python")


def _the_bad_versions_are_excluded(factory: ServingFactory) -> None:
    """What was built from the bad version, and from that, children first, as the page says."""
    bad = [("rhel9-python", str(factory.story.look()["rhel9-python"]["version"]))]
    for child in ("ml-worker", SECOND_LEVEL):
        parent = "@".join(bad[-1])
        builds = factory.story.admin.get_image(child)[0]["builds"]
        (made,) = (
            each for each in builds if each["result"] == "succeeded" and each["origin_version"] == parent
        )
        bad.append((child, made["version"]))
    for image, version in reversed(bad):
        _exclude(factory, image, version)


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
    "a-receiver-has-a-secret": _a_receiver_has_a_secret,
    "a-policy-is-in-force": _a_policy_is_in_force,
    "a-build-hangs": _a_build_hangs,
    "builds-work-again": _builds_work_again,
    "the-payments-version-is-excluded": _the_payments_version_is_excluded,
    "payments-has-two-versions": _payments_has_two_versions,
    "a-version-has-two-levels-below-it": _a_version_has_two_levels_below_it,
    "the-bad-versions-are-excluded": _the_bad_versions_are_excluded,
    "the-tables-are-lost": _the_tables_are_lost,
}


def _ask_for(factory: ServingFactory, image: str) -> None:
    factory.story.admin.request_build(image, "the page needs a history", uuid.uuid4().hex)


def _build_again(factory: ServingFactory, image: str) -> None:
    before = factory.story.look()[image]["version"]
    _ask_for(factory, image)
    _until(f"{image} has a newer version", lambda: factory.story.look()[image]["version"] != before)
    factory.wait_until_quiet()


def _until(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + _BUILD
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"it did not happen that {what}")
        time.sleep(0.5)


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
