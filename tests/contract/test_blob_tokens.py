"""A token of the factory in the hands of a builder, on Azurite, which checks signature, blob, permission and time.

What Azurite does not check is what an identity may do: `tests/local/test_storage_front.py` shows that.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobClient, BlobServiceClient

from builder import azure_client
from builder.credential import TokenEnded
from builder.ports import Blobs
from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.domain import attempts, blob_rights, tools
from pipeline_core.domain.blob_rights import BlobPlace, BlobRights, BlobToken
from pipeline_core.domain.errors import AlreadyExists, NotAllowed, PermanentError, TransientError
from pipeline_core.domain.names import Digest
from pipeline_core.wire import blob_token
from tests.fixtures.azurite import AzuriteForTests

pytestmark = pytest.mark.process


TOOL = "c" * 64  # by its name alone: storage does not compare contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A real Azurite with the factory's containers, and what a factory does with it."""

    azurite: AzuriteForTests
    factory: AzureBlobs

    def token(self, rights: BlobRights, *, life: timedelta = timedelta(hours=12)) -> BlobToken:
        """As the container gets it."""
        now = datetime.now(UTC)
        made = self.factory.delegate(rights, now=now, until=now + life)
        return blob_token.from_wire(blob_token.to_wire(made))

    def builder(self, token: BlobToken) -> Blobs:
        """The builder's own client with this token."""
        road = RequestsTransport(connection_verify=str(self.azurite.ca_file))
        return azure_client.AzureBlobs(self.azurite.blob, token, retries=0, transport=road)

    def forced(self, token: BlobToken, mine: BlobPlace, other: BlobPlace) -> BlobClient:
        """A client that uses the rights on one blob with another blob: whoever has left the builder can do that."""
        credential = AzureSasCredential(f"{token.shared}&{token.own[mine]}")
        road = RequestsTransport(connection_verify=str(self.azurite.ca_file))
        return BlobClient(
            self.azurite.blob,
            other.container,
            other.name,
            credential=credential,
            transport=road,
            retry_total=0,
        )


@pytest.fixture(scope="module")
def storage(azurite: AzuriteForTests) -> Storage:
    service = BlobServiceClient(azurite.blob, **azurite.client_options())
    for name in ("builds", "jobs", "bundles", tools.SERVED, tools.QUARANTINE):
        if not service.get_container_client(name).exists():
            service.create_container(name)
    return Storage(azurite=azurite, factory=AzureBlobs(service))


def _rights(build: str, stage: str = "build") -> BlobRights:
    return blob_rights.rights_of(
        attempts.folder(build, stage, 1),
        stage,
        job=Digest("a" * 64),
        bundles=(Digest("b" * 64),),
        tools=(TOOL,),
    )


def _place(build: str, name: str, stage: str = "build") -> BlobPlace:
    return BlobPlace(container="builds", name=f"{attempts.folder(build, stage, 1)}/{name}")


@pytest.fixture
def builds(unique_name: Callable[[str], str]) -> tuple[str, str]:
    return f"{unique_name('a')}.3fa9c1d20b77.1", f"{unique_name('b')}.3fa9c1d20b77.1"


def test_a_builder_writes_its_marker_log_and_report_with_its_token_alone(
    storage: Storage, builds: tuple[str, str]
) -> None:
    mine, _ = builds
    blobs = storage.builder(storage.token(_rights(mine)))
    marker, log, report = (
        _place(mine, name).name for name in (attempts.STARTED, attempts.LOG, attempts.REPORT)
    )
    blobs.create("builds", marker, b"1", media_type="application/json")
    blobs.create_log("builds", log)
    blobs.create_log("builds", log)  # our own write, repeated
    blobs.append("builds", log, b"line\n", offset=0)
    blobs.append("builds", log, b"line\n", offset=0)
    blobs.create("builds", report, b"{}", media_type="application/json")
    blobs.create("builds", report, b"{}", media_type="application/json")
    assert storage.factory.read("builds", report, limit=10) == b"{}"
    assert storage.factory.read("builds", log, limit=10) == b"line\n"
    with pytest.raises(AlreadyExists):  # the marker of another container of this attempt
        blobs.create("builds", marker, b"2", media_type="application/json")


def test_its_inputs_are_read_and_not_written(storage: Storage, builds: tuple[str, str]) -> None:
    token = storage.token(_rights(builds[0]))
    name = f"{'b' * 64}.tar.gz"
    if storage.factory.find_facts("bundles", name) is None:
        storage.factory.create("bundles", name, b"bundle", media_type="application/gzip")
    blobs = storage.builder(token)
    assert blobs.read("bundles", name, limit=10) == b"bundle"
    with pytest.raises(NotAllowed):
        blobs.create("jobs", f"{'a' * 64}.json", b"{}", media_type="application/json")


def test_the_file_of_its_tool_is_read_and_no_other_and_none_is_written(
    storage: Storage, builds: tuple[str, str], tmp_path: Path
) -> None:
    other, content = "d" * 64, b"what was admitted"
    for container, name in ((tools.SERVED, TOOL), (tools.SERVED, other), (tools.QUARANTINE, TOOL)):
        if storage.factory.find_facts(container, name) is None:
            storage.factory.create(container, name, content, media_type="application/octet-stream")
    token = storage.token(_rights(builds[0]))
    into = tmp_path / "tool"
    found = storage.builder(token).fetch(tools.SERVED, TOOL, into, limit=100)
    assert (found, into.read_bytes()) == (hashlib.sha256(content).hexdigest(), content)
    mine = blob_rights.tool_place(TOOL)
    for target in (
        blob_rights.tool_place(other),
        BlobPlace(container=tools.QUARANTINE, name=TOOL),
    ):
        with pytest.raises(PermanentError, match="does not name"):
            storage.builder(token).read(target.container, target.name, limit=100)
        with pytest.raises(HttpResponseError) as read:
            storage.forced(token, mine, target).download_blob().readall()
        assert read.value.status_code == 403
    forced = storage.forced(token, mine, mine)
    for attack in (lambda: forced.upload_blob(b"evil", overwrite=True), forced.delete_blob):
        with pytest.raises(HttpResponseError) as wrote:
            attack()
        assert wrote.value.status_code == 403
    assert storage.factory.read(tools.SERVED, TOOL, limit=100) == content


def test_a_written_report_is_neither_replaced_nor_deleted(storage: Storage, builds: tuple[str, str]) -> None:
    token, place = storage.token(_rights(builds[0])), _place(builds[0], attempts.REPORT)
    storage.builder(token).create("builds", place.name, b"true", media_type="application/json")
    forced = storage.forced(token, place, place)
    for attack in (lambda: forced.upload_blob(b"false", overwrite=True), forced.delete_blob):
        with pytest.raises(HttpResponseError) as caught:
            attack()
        assert caught.value.status_code == 403
    assert storage.factory.read("builds", place.name, limit=10) == b"true"


@pytest.mark.parametrize("name", [attempts.STARTED, attempts.REPORT, attempts.LOG, attempts.GIVEN_UP])
def test_a_container_with_all_of_its_token_is_refused_in_the_folder_of_another(
    storage: Storage, builds: tuple[str, str], name: str
) -> None:
    mine, other = builds
    token, target = storage.token(_rights(mine)), _place(other, name)
    with pytest.raises(PermanentError, match="does not name"):
        storage.builder(token).create("builds", target.name, b"{}", media_type="application/json")
    for place in token.own:
        forced = storage.forced(token, place, target)
        with pytest.raises(HttpResponseError) as wrote:
            forced.upload_blob(b"{}")
        with pytest.raises(HttpResponseError) as read:
            forced.download_blob()
        assert (wrote.value.status_code, read.value.status_code) == (403, 403)
    assert storage.factory.find_facts("builds", target.name) is None


def test_the_container_cannot_be_listed(storage: Storage, builds: tuple[str, str]) -> None:
    token = storage.token(_rights(builds[0]))
    place = _place(builds[0], attempts.REPORT)
    credential = AzureSasCredential(f"{token.shared}&{token.own[place]}")
    road = RequestsTransport(connection_verify=str(storage.azurite.ca_file))
    client = BlobServiceClient(storage.azurite.blob, credential=credential, transport=road, retry_total=0)
    with client, pytest.raises(HttpResponseError) as caught:
        list(client.get_container_client("builds").list_blobs())
    assert caught.value.status_code == 403


def test_the_next_attempt_of_the_same_build_has_rights_of_its_own(
    storage: Storage, builds: tuple[str, str]
) -> None:
    token = storage.token(_rights(builds[0]))
    forced = storage.forced(
        token, _place(builds[0], attempts.REPORT), _place(builds[0], attempts.REPORT, stage="verify")
    )
    with pytest.raises(HttpResponseError) as caught:
        forced.upload_blob(b"{}")
    assert caught.value.status_code == 403


def test_a_token_that_has_ended_says_so_and_is_not_shown(storage: Storage, builds: tuple[str, str]) -> None:
    token = storage.token(_rights(builds[0]), life=timedelta(seconds=-5))
    with pytest.raises(TokenEnded, match="the token for blobs has ended") as caught:
        storage.builder(token).create(
            "builds", _place(builds[0], attempts.STARTED).name, b"{}", media_type="application/json"
        )
    assert not [each for each in blob_token.secrets_in(token) if each in str(caught.value)]


def test_one_key_serves_many_tokens_and_a_longer_life_gets_a_new_one(storage: Storage) -> None:
    rights = _rights("x.3fa9c1d20b77.1")
    first, second = storage.token(rights), storage.token(rights)
    longer = storage.token(rights, life=timedelta(days=3))
    key = [
        dict(each.split("=", 1) for each in token.shared.split("&"))["ske"]
        for token in (first, second, longer)
    ]
    assert key[0] == key[1] < key[2]


class _Breaks(RequestsTransport):  # type: ignore[misc]  # azure-core hands this class out untyped
    """A broken road whose error names the whole address, as urllib3 does."""

    def send(self, request: object, **_: object) -> object:
        raise ServiceRequestError(
            f"Max retries exceeded with url: {getattr(request, 'url', '')} (Caused by x)"
        )


def test_an_error_never_shows_a_signature(storage: Storage, builds: tuple[str, str]) -> None:
    token = storage.token(_rights(builds[0]))
    blobs = azure_client.AzureBlobs(storage.azurite.blob, token, retries=0, transport=_Breaks())
    with pytest.raises(TransientError, match=r"sig=\[hidden\]") as caught:
        blobs.create("builds", _place(builds[0], attempts.REPORT).name, b"{}", media_type="text/plain")
    assert not [each for each in blob_token.secrets_in(token) if each in str(caught.value)]
