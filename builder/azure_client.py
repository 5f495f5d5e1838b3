"""Blob and Queue storage for the builder: blobs by the attempt's token, the queue by its identity.

Only this module knows Azure's SDKs.

It reads Azure's answer from an SDK's exception. `domain.cloud_errors` says what the answer means. It decides nothing
about the build.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

from azure.core import MatchConditions, PipelineClient
from azure.core.credentials import AzureSasCredential, TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
)
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import (
    ClientAssertionCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
)
from azure.storage.blob import BlobClient, ContentSettings
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from builder.credential import Credential, ManagedIdentity, TokenEnded, WorkloadIdentity
from pipeline_core.domain.blob_rights import BlobPlace, BlobToken
from pipeline_core.domain.cloud_errors import CloudAnswer, error_of
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotAllowed,
    NotFound,
    Owner,
    PermanentError,
    TransientError,
)
from pipeline_core.wire import blob_token

_EXCHANGE: Final = "api://AzureADTokenExchange"
_STORAGE: Final = "https://storage.azure.com/.default"
_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 30
_TOKEN_PAUSE_SECONDS: Final = 2.0
_COMPARED: Final = 1024 * 1024  # bytes of a blob that is there already
_SKEW: Final = timedelta(minutes=5)  # between the clocks of this container and of storage
_SIGNATURE: Final = re.compile(rf"\b{blob_token.SIGNATURE}=[^&\s\"'<>)]+")


def credential_of(credential: Credential, client_id: str) -> TokenCredential:
    """The SDK's object that gets tokens of the builder's identity. It asks for no token yet."""
    match credential:
        case ManagedIdentity():
            return ManagedIdentityCredential(client_id=client_id)
        case WorkloadIdentity() as workload:
            return ClientAssertionCredential(workload.tenant_id, client_id, lambda: _assertion(workload))


def await_token(
    credential: TokenCredential,
    *,
    seconds: float,
    is_stopped: Callable[[], bool],
    pause: float = _TOKEN_PAUSE_SECONDS,
) -> None:
    """Wait for the first token. The identity endpoint can be ready later than the container.

    Raises TransientError (token) if no token came within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            credential.get_token(_STORAGE)
            return
        except (ClientAuthenticationError, CredentialUnavailableError, AzureError) as error:
            if time.monotonic() >= deadline or is_stopped():
                text = f"no token of the builder's identity came: {_first_line(error)}"
                raise TransientError(ErrorClass.TOKEN, text) from error
        time.sleep(pause)


def _assertion(workload: WorkloadIdentity) -> str:
    """The other issuer's token for this container, which Entra exchanges. Raises AzureError."""
    request = HttpRequest(
        "GET",
        workload.oidc_request_url,
        params={"audience": _EXCHANGE},
        headers={"Accept": "application/json", "Authorization": f"Bearer {workload.oidc_request_token}"},
    )
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
        workload.oidc_request_url, policies=[RetryPolicy(retry_total=2)]
    )
    with client:
        answer = client.send_request(request, connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
    try:
        value = answer.json()["value"] if answer.status_code == 200 else None
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        text = f"the issuer at IF_OIDC_REQUEST_URL answered {answer.status_code}, without a token"
        raise ClientAuthenticationError(text)
    return value


class AzureBlobs:
    """`Blobs` on one storage account. The SDK retries: every write here is safe to repeat.

    `access` is the attempt's token, which names each blob that may be used. In a container of an older release it is
    the identity.
    """

    def __init__(
        self,
        endpoint: str,
        access: TokenCredential | BlobToken,
        *,
        retries: int = 3,
        transport: RequestsTransport | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._access = access
        self._retries = retries
        # One for all blobs, with its connections.
        self._transport = transport or RequestsTransport(
            connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS
        )
        self._clients: dict[BlobPlace, BlobClient] = {}

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """As `ports.Blobs`."""
        with self._translated(container, name):
            # The first request gives at most 32 MiB, and the whole size. No further request is sent here.
            stream = self._blob(container, name).download_blob(max_concurrency=1)
            content = stream.readall() if stream.size <= limit else None
        if content is None:
            raise _too_large(container, name, limit)
        return content

    def fetch(self, container: str, name: str, into: Path, *, limit: int) -> str:
        """As `ports.Blobs`. Never more than a part of the blob is in memory."""
        found = hashlib.sha256()
        with self._translated(container, name), into.open("wb") as target:
            stream = self._blob(container, name).download_blob(max_concurrency=1)
            if stream.size > limit:
                raise _too_large(container, name, limit)
            for part in stream.chunks():
                target.write(part)
                found.update(part)
        return found.hexdigest()

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """As `ports.Blobs`.

        To a token that may only create, storage refuses a second write with 403 (`UnauthorizedBlobOverwrite`; Azurite:
        `AuthorizationPermissionMismatch`). So after a refusal too, what is there decides.
        """
        blob = self._blob(container, name)
        try:
            with self._translated(container, name):
                blob.upload_blob(
                    content, overwrite=False, content_settings=ContentSettings(content_type=media_type)
                )
        except (AlreadyExists, NotAllowed) as error:
            try:
                found = self.read(container, name, limit=max(len(content), _COMPARED))
            except (NotFound, NotAllowed):
                raise error from error.__cause__
            if found != content:
                raise AlreadyExists(f"blob {container}/{name} exists already") from error

    def create_log(self, container: str, name: str) -> None:
        """As `ports.Blobs`."""
        blob = self._blob(container, name)
        try:
            with self._translated(container, name):
                blob.create_append_blob(
                    content_settings=ContentSettings(content_type="text/plain; charset=utf-8"),
                    match_condition=MatchConditions.IfMissing,
                )
        except AlreadyExists:
            return
        except NotAllowed:  # as in `create`
            with self._translated(container, name):
                is_there = blob.exists()
            if not is_there:
                raise

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """As `ports.Blobs`. The service compares the offset. So it refuses a repeated block and does not double it."""
        blob = self._blob(container, name)
        with self._translated(container, name):
            try:
                blob.append_block(content, length=len(content), appendpos_condition=offset)
            except HttpResponseError as error:
                if error.status_code != 412 or blob.get_blob_properties().size != offset + len(content):
                    raise

    def _blob(self, container: str, name: str) -> BlobClient:
        place = BlobPlace(container=container, name=name)
        if place not in self._clients:
            self._clients[place] = BlobClient(
                self._endpoint,
                container,
                name,
                credential=self._credential(place),
                transport=self._transport,
                retry_total=self._retries,
                initial_backoff=1,
                increment_base=2,
            )
        return self._clients[place]

    def _credential(self, place: BlobPlace) -> TokenCredential | AzureSasCredential:
        if not isinstance(self._access, BlobToken):
            return self._access
        if place not in self._access.own:
            text = f"the token of this attempt does not name blob {place}"
            raise PermanentError(ErrorClass.PERMISSION, text, owner=Owner.PLATFORM)
        return AzureSasCredential(f"{self._access.shared}&{self._access.own[place]}")

    @contextmanager
    def _translated(self, container: str, name: str) -> Iterator[None]:
        what = f"blob {container}/{name}"
        try:
            yield
        except AzureError as error:
            is_refused = getattr(error, "status_code", None) in (
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.FORBIDDEN,
            )
            if isinstance(self._access, BlobToken) and is_refused:
                until = self._access.until
                if datetime.now(UTC) >= until - _SKEW:
                    text = f"{what}: the token for blobs has ended ({until:%Y-%m-%d %H:%M} UTC)"
                    raise TokenEnded(text) from error
            raise _ours(what, error) from error


class AzureEvents:
    """`Events` on one queue, base64 as the Functions host expects.

    Only a send that certainly did not reach the service is tried again. If only the answer was lost, the message may
    be in the queue.
    """

    def __init__(self, endpoint: str, queue: str, credential: TokenCredential) -> None:
        self._queue = QueueClient(
            endpoint,
            queue,
            credential=credential,
            message_encode_policy=TextBase64EncodePolicy(),
            retry_total=3,
            retry_read=0,
            retry_status=0,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )

    def send(self, text: str) -> None:
        """As `ports.Events`."""
        with _translated("queue build-events"):
            self._queue.send_message(text)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise _ours(what, error) from error


def _ours(what: str, error: AzureError) -> FactoryError:
    code = getattr(error, "error_code", None)  # where the storage SDKs keep it
    answer = CloudAnswer(
        status=error.status_code if isinstance(error, HttpResponseError) else None,
        code=str(getattr(code, "value", code) or ""),
        said=_SIGNATURE.sub(f"{blob_token.SIGNATURE}=[hidden]", str(error)),  # an address may be in it
        headers=getattr(getattr(error, "response", None), "headers", None) or {},
        no_token=isinstance(error, ClientAuthenticationError),
        exists=isinstance(error, ResourceExistsError),
    )
    ours = error_of(answer, what)
    if answer.status == HTTPStatus.NOT_IMPLEMENTED:
        # A team's template has no part in these requests, so it must not be blamed for a gateway that cannot serve one.
        return TransientError(ErrorClass.NETWORK, str(ours))
    return ours


def _too_large(container: str, name: str, limit: int) -> PermanentError:
    return PermanentError(ErrorClass.POLICY, f"blob {container}/{name} is larger than {limit} bytes")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
