"""The container's environment."""

import pytest

from builder.credential import ManagedIdentity, WorkloadIdentity
from builder.settings import BuilderSettings, BuilderSettingsError
from tests.unit.builder import samples


def test_the_factorys_environment_is_read() -> None:
    settings = BuilderSettings.read({**samples.environment_for(samples.root_job()), "OTHER": "x"})
    assert settings.build == samples.ROOT_BUILD
    assert settings.attempt == 1


def test_packer_on_the_path_is_used_where_none_is_named() -> None:
    environ = samples.environment_for(samples.root_job())
    del environ["PACKER_PATH"]
    assert BuilderSettings.read(environ).packer == "packer"


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(BuilderSettingsError) as caught:
        BuilderSettings.read({})
    for name in ("IF_BUILD_ID", "IF_STAGE", "IF_ATTEMPT", "IF_JOB", "IF_BLOB_ENDPOINT", "IF_QUEUE_ENDPOINT"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IF_BUILD_ID", "../x"),
        ("IF_STAGE", "publish"),
        ("IF_ATTEMPT", "0"),
        ("IF_ATTEMPT", "one"),
        ("IF_JOB", "abc"),
        ("IF_BLOB_ENDPOINT", "http://127.0.0.1:10000/devstoreaccount1"),
        ("IF_BLOB_ENDPOINT", "https://a.blob.core.windows.net/?sig=x"),
        ("IF_CLIENT_ID", ""),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(BuilderSettingsError, match=name):
        BuilderSettings.read({**samples.environment_for(samples.root_job()), name: value})


WORKLOAD = {
    "IF_CREDENTIAL": "workload-identity",
    "IF_TENANT_ID": "00000000-0000-4000-8000-000000000009",
    "IF_OIDC_REQUEST_URL": "https://issuer.example.com:8443/idtoken/7?api-version=2.0&x=%20",
    "IF_OIDC_REQUEST_TOKEN": "a-token-that-nobody-may-read",
}


def test_a_managed_identity_is_the_credential_where_none_is_named() -> None:
    assert BuilderSettings.read(samples.environment_for(samples.root_job())).credential == ManagedIdentity()


def test_a_workload_identity_is_read_and_its_token_is_shown_nowhere() -> None:
    settings = BuilderSettings.read({**samples.environment_for(samples.root_job()), **WORKLOAD})
    assert settings.credential == WorkloadIdentity(
        tenant_id=WORKLOAD["IF_TENANT_ID"],
        oidc_request_url=WORKLOAD["IF_OIDC_REQUEST_URL"],
        oidc_request_token=WORKLOAD["IF_OIDC_REQUEST_TOKEN"],
    )
    assert "a-token" not in f"{settings!r} {settings.credential!r} {settings.model_dump_json()}"


def test_all_that_a_workload_identity_lacks_is_named_at_once() -> None:
    environ = {**samples.environment_for(samples.root_job()), "IF_CREDENTIAL": "workload-identity"}
    with pytest.raises(BuilderSettingsError) as caught:
        BuilderSettings.read(environ)
    for name in ("IF_TENANT_ID", "IF_OIDC_REQUEST_URL", "IF_OIDC_REQUEST_TOKEN"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IF_CREDENTIAL", "client-secret"),
        ("IF_TENANT_ID", "common"),
        ("IF_OIDC_REQUEST_URL", "http://issuer.example.com/token"),
        ("IF_OIDC_REQUEST_URL", "http://localhost.example.com/token"),
        ("IF_OIDC_REQUEST_URL", "https://issuer.example.com/${var.x}"),
        ("IF_OIDC_REQUEST_URL", "https://issuer.example.com/%{ if true }"),
        ("IF_OIDC_REQUEST_URL", "https://issuer.example.com/{{ env `PATH` }}"),
        ("IF_OIDC_REQUEST_URL", "https://issuer.example.com/token\n"),
    ],
)
def test_a_wrong_part_of_a_workload_identity_is_named(name: str, value: str) -> None:
    with pytest.raises(BuilderSettingsError, match=name):
        BuilderSettings.read({**samples.environment_for(samples.root_job()), **WORKLOAD, name: value})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/token", "http://localhost/token?x=1"])
def test_without_tls_the_token_may_go_to_this_machine_alone(url: str) -> None:
    environ = {**samples.environment_for(samples.root_job()), **WORKLOAD, "IF_OIDC_REQUEST_URL": url}
    assert BuilderSettings.read(environ).oidc_request_url == url
