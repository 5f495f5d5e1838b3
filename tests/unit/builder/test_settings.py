"""The container's environment."""

import pytest

from builder.settings import Settings, SettingsError
from tests.unit.builder import samples


def test_the_factorys_environment_is_read() -> None:
    settings = Settings.read({**samples.environment_for(samples.root_job()), "OTHER": "x"})
    assert settings.build == samples.ROOT_BUILD
    assert settings.attempt == 1


def test_packer_on_the_path_is_used_where_none_is_named() -> None:
    environ = samples.environment_for(samples.root_job())
    del environ["PACKER_PATH"]
    assert Settings.read(environ).packer == "packer"


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({})
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
    with pytest.raises(SettingsError, match=name):
        Settings.read({**samples.environment_for(samples.root_job()), name: value})
