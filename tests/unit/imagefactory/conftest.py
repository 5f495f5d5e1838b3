"""Fixtures of the command's tests: a factory to talk to, a folder to register, and a way to call the command."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from imagefactory.main import app
from pipeline_core.wire import es256
from tests.unit.imagefactory.fake_factory import TOKEN, FakeFactory, serving
from tests.unit.imagefactory.signed_versions import KEY, Signed

Run = Callable[..., Result]

IMAGE = """
apiVersion: imagefactory/v1
kind: ImageDefinition
metadata: {name: payments-api, team: payments, owners: [payments@example.com]}
spec:
  parent: {image: rhel9-base}
  build: {provisioners: [{shell: install.sh}]}
"""


@pytest.fixture
def factory() -> Iterator[FakeFactory]:
    with serving() as running:
        yield running


@pytest.fixture
def signed(factory: FakeFactory, tmp_path: Path) -> Signed:
    """The factory with one signed version, and its public key in a file."""
    factory.shown["/api/provenance/keys"] = {"keys": [es256.public_of(KEY).to_jwk()]}
    pem = tmp_path / "key.pem"
    pem.write_bytes(es256.public_pem(es256.public_of(KEY)))
    made = Signed(factory=factory, pem=pem)
    made.show()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "payments-api"
    made.mkdir()
    (made / "image.yaml").write_text(IMAGE)
    (made / "install.sh").write_text("#!/bin/bash\necho\n")
    return made


@pytest.fixture
def run(factory: FakeFactory, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command as a signed-in user of the factory; keyword arguments are environment variables."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def call(*words: object, **environment: str) -> Result:
        given = {
            "IMAGEFACTORY_URL": factory.url,
            "IMAGEFACTORY_TOKEN": TOKEN,
            "COLUMNS": "160",
            **environment,
        }
        return CliRunner().invoke(app, [str(word) for word in words], env=given)

    return call
