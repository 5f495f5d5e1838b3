"""A builder outside Azure: where its token comes from, and that nobody sees it."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import AzureError

from builder import azure_client
from builder.attempt import Attempt, BuilderExit
from builder.credential import ManagedIdentity, WorkloadIdentity
from builder.packer.command import clean_environment
from builder.settings import BuilderSettings
from builder.stop import StopRequest
from builder.work import AttemptContext
from pipeline_core.wire.report import BuildReport
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs, FolderEvents

TOKEN = "a-token-that-nobody-may-read"
WORKLOAD = {
    "IF_CREDENTIAL": "workload-identity",
    "IF_TENANT_ID": "00000000-0000-4000-8000-000000000009",
    "IF_OIDC_REQUEST_URL": "https://issuer.example.com/idtoken",
    "IF_OIDC_REQUEST_TOKEN": TOKEN,
}
_PRINTS_IT = 'echo "the token is $PKR_VAR_oidc_request_token."; echo "IF: $IF_OIDC_REQUEST_TOKEN"'


def test_packer_gets_the_token_as_its_variable_and_under_no_other_name(tmp_path: Path) -> None:
    given = clean_environment(WORKLOAD, tmp_path)
    assert {name for name, value in given.items() if TOKEN in value} == {"PKR_VAR_oidc_request_token"}


def test_packer_gets_no_token_where_there_is_none(tmp_path: Path) -> None:
    assert "PKR_VAR_oidc_request_token" not in clean_environment({}, tmp_path)


@pytest.mark.process
@pytest.mark.parametrize(("end", "succeeded"), [("exit 1", False), (samples.GOOD_BUILD, True)])
def test_the_token_is_in_no_log_report_or_file(tmp_path: Path, end: str, succeeded: bool) -> None:
    job, root, work = samples.root_job(), tmp_path / "storage", tmp_path / "work"
    samples.store(root, job)
    work.mkdir()
    seen: list[str] = []
    environ = {
        **samples.environment_for(job, samples.write_packer(tmp_path, f"{_PRINTS_IT}; {end}")),
        **WORKLOAD,
        "PATH": "/usr/bin:/bin",
    }
    context = AttemptContext(
        blobs=FolderBlobs(root),
        events=FolderEvents(root),
        stop=StopRequest(),
        now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC),
        echo=seen.append,
        environ=environ,
        folder=work,
    )

    assert Attempt(BuilderSettings.read(environ), context).run() is BuilderExit.DONE
    assert (report_of(root).error_class is None) is succeeded

    assert any("the token is [redacted]." in line for line in seen)
    assert not [line for line in seen if TOKEN in line]
    written = [path for place in (root, work) for path in place.rglob("*") if path.is_file()]
    assert any(path.name == "template.pkr.json" for path in written)
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def report_of(root: Path) -> BuildReport:
    (path,) = root.rglob("result.json")
    return BuildReport.from_wire(path.read_bytes())


@pytest.fixture
def issuer() -> Iterator[Callable[[int, bytes], str]]:
    """`issuer(status, body)` starts an issuer with that answer and gives its address."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Issuer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_ours = self.headers["Authorization"] == f"Bearer {TOKEN}"
                wanted = {"v": ["2"], "audience": ["api://AzureADTokenExchange"]}
                is_asked = parse_qs(urlsplit(self.path).query) == wanted
                self.send_response(status if is_ours and is_asked else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                return

        server = HTTPServer(("127.0.0.1", 0), Issuer)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/idtoken?v=2"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def assertion(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What the builder would give to Entra, by the address of the issuer."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(
        azure_client, "ClientAssertionCredential", lambda tenant, client, func: (tenant, client, func)
    )

    def ask(url: str) -> str:
        credential = WorkloadIdentity(tenant_id="t", oidc_request_url=url, oidc_request_token=TOKEN)
        given: Any = azure_client.credential_of(credential, "c")  # the tuple that stands in for it
        tenant, client, func = given
        assert (tenant, client) == ("t", "c")
        return str(func())

    return ask


@pytest.mark.process
def test_the_issuers_token_is_what_entra_gets(
    issuer: Callable[[int, bytes], str], assertion: Callable[[str], str]
) -> None:
    assert assertion(issuer(200, b'{"count": 1, "value": "a-signed-token"}')) == "a-signed-token"


@pytest.mark.process
@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b"{}"), (200, b"not JSON"), (200, b"{}"), (200, b"[]"), (200, b'{"value": null}')],
)
def test_an_issuer_without_a_token_is_an_error_that_does_not_show_ours(
    issuer: Callable[[int, bytes], str], assertion: Callable[[str], str], status: int, body: bytes
) -> None:
    with pytest.raises(AzureError) as caught:
        assertion(issuer(status, body))
    assert TOKEN not in str(caught.value)


def test_on_azure_the_managed_identity_is_asked() -> None:
    credential = azure_client.credential_of(ManagedIdentity(), samples.CLIENT)
    assert type(credential).__name__ == "ManagedIdentityCredential"
