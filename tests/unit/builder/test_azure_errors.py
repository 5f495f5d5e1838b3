"""What the builder makes of the answers of storage: none of them may be charged to a team whose template is right."""

from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.storage.blob import BlobClient

from builder import azure_client
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotAllowed,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)

T, P = TransientError, PermanentError


class _Credential:
    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("token", 4_000_000_000)


class _Response:
    """As much of an answer as an exception looks at."""

    def __init__(self, status: int) -> None:
        self.request = None
        self.status_code, self.reason, self.headers = status, "Reason", {"retry-after": "7"}

    def text(self, *_: Any) -> str:
        return ""


def _raised(kind: type[HttpResponseError], status: int, code: str = "") -> HttpResponseError:
    error = kind(message="storage said this", response=_Response(status))
    if code:
        error.error_code = code  # type: ignore[attr-defined]  # where the storage SDKs keep it
    return error


@pytest.mark.parametrize(
    ("error", "kind", "wanted"),
    [
        pytest.param(ServiceResponseError("cut"), T, ErrorClass.NETWORK, id="no answer"),
        pytest.param(ClientAuthenticationError("none"), T, ErrorClass.TOKEN, id="no token"),
        pytest.param(_raised(ClientAuthenticationError, 401), T, ErrorClass.TOKEN, id="a token ran out"),
        pytest.param(
            _raised(ClientAuthenticationError, 403, "AuthenticationFailed"),
            T,
            ErrorClass.TOKEN,
            id="at storage",
        ),
        pytest.param(
            _raised(HttpResponseError, 403), NotAllowed, ErrorClass.PERMISSION, id="a right is missing"
        ),
        pytest.param(_raised(ResourceNotFoundError, 404), NotFound, ErrorClass.NOT_FOUND, id="not there"),
        pytest.param(_raised(HttpResponseError, 408), T, ErrorClass.NETWORK, id="too slow"),
        pytest.param(
            _raised(ResourceExistsError, 409), AlreadyExists, None, id="the SDK says that it exists"
        ),
        pytest.param(_raised(HttpResponseError, 409), T, ErrorClass.CONFLICT, id="another operation"),
        pytest.param(_raised(HttpResponseError, 412), StaleWrite, None, id="a condition was not met"),
        pytest.param(_raised(HttpResponseError, 429), T, ErrorClass.THROTTLED, id="a limit of the rate"),
        pytest.param(_raised(HttpResponseError, 500), T, ErrorClass.NETWORK, id="a broken server"),
        pytest.param(_raised(HttpResponseError, 501), T, ErrorClass.NETWORK, id="a gateway that cannot"),
        pytest.param(
            _raised(HttpResponseError, 503, "ServerBusy"), T, ErrorClass.THROTTLED, id="storage's limit"
        ),
        pytest.param(_raised(HttpResponseError, 400), P, ErrorClass.TEMPLATE, id="a wrong request"),
    ],
)
def test_an_answer_of_storage_means_this(
    error: AzureError, kind: type[FactoryError], wanted: ErrorClass | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(BlobClient, "download_blob", refuse)
    blobs = azure_client.AzureBlobs("https://store.example.com", _Credential())
    with pytest.raises(kind, match=r"^blob jobs/a\.json: ") as caught:
        blobs.read("jobs", "a.json", limit=1)
    assert getattr(caught.value, "error_class", None) is wanted
