"""The token for the attempt's blobs: it is enough, it is shown nowhere, and its end is the platform's failure."""

import json
from datetime import timedelta
from urllib.parse import quote

import pytest

from builder import attempt, azure_client, main
from builder.attempt import BuilderExit
from builder.credential import TokenEnded, secrets_of
from builder.packer import command
from builder.settings import BuilderSettings, BuilderSettingsError
from pipeline_core.domain import blob_rights
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.wire import blob_token
from tests.unit.builder import samples
from tests.unit.builder.conftest import NOW, Run

pytestmark = pytest.mark.process

SIGNATURE = "signature/004="


def test_no_step_can_print_a_part_of_the_token(run: Run) -> None:
    quoted = quote(SIGNATURE, safe="")
    left = run(samples.root_job(), f'echo "one {SIGNATURE} two {quoted} three $IF_BLOB_TOKEN."; exit 1')
    assert not left.report.succeeded
    shown = left.log + left.report.message + left.echoed
    assert SIGNATURE not in shown
    assert quoted not in shown
    assert "three ." in shown  # Packer's environment has no token at all


def test_packer_gets_no_token(run: Run) -> None:
    left = run(samples.root_job(), samples.GOOD_BUILD)
    environ = {"PATH": "/bin", blob_token.VARIABLE: left.token}
    assert left.token not in command.clean_environment(environ, left.work).values()
    kept = [path.read_bytes() for path in left.work.rglob("*") if path.is_file()]
    assert kept
    assert not [each for each in kept if b"signature%2F" in each]


def test_the_redaction_knows_each_signature_as_it_is_sent_and_as_it_is_meant() -> None:
    token = samples.token_for(samples.root_job(), NOW)
    found = secrets_of({blob_token.VARIABLE: token, "IDENTITY_HEADER": "header"})
    assert {token, "header", SIGNATURE, quote(SIGNATURE, safe="")} <= set(found)


def test_an_attempt_that_could_not_report_at_its_end_does_not_begin(run: Run) -> None:
    job = samples.root_job()
    needed = blob_rights.needed_for(job.stage, timedelta(seconds=job.timeout_seconds))

    left = run(job, samples.GOOD_BUILD, until=NOW + needed - timedelta(seconds=1))

    assert not left.report.succeeded
    assert left.report.error_class is ErrorClass.TOKEN
    assert left.report.failure().who is Owner.PLATFORM
    assert not left.report.failure().is_of_team
    assert "its token for blobs ends at 2026-11-21" in left.report.message
    assert left.report.packer == ""  # nothing was run
    assert run(samples.child_job(), samples.GOOD_BUILD, until=NOW + needed + timedelta(hours=1)).report.packer


def test_a_token_that_has_ended_is_an_end_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(self: object) -> BuilderExit:
        raise TokenEnded("blob builds/x: the token for blobs has ended (2026-11-21 12:00 UTC)")

    said: list[str] = []
    monkeypatch.setattr(attempt.Attempt, "run", ended)
    monkeypatch.setattr(main, "echo", said.append)
    monkeypatch.setattr(azure_client, "await_token", lambda *given, **named: None)
    token = samples.token_for(samples.root_job(), NOW)
    environ = {**samples.environment_for(samples.root_job()), blob_token.VARIABLE: token}
    assert main.run(environ) == blob_rights.ENDED_EXIT
    assert "the token for blobs has ended" in "".join(said)


def test_without_a_token_the_identity_is_used_as_by_the_older_release() -> None:
    assert BuilderSettings.read(samples.environment_for(samples.root_job())).token is None


def test_the_settings_show_no_token() -> None:
    settings = samples.settings_for(samples.root_job(), token=samples.token_for(samples.root_job(), NOW))
    assert settings.token is not None
    assert "signature" not in f"{settings!r} {settings} {settings.token!r} {settings.model_dump_json()}"


@pytest.mark.parametrize("text", ["no-token", json.dumps({"until": "no-token", "shared": "a", "own": {}})])
def test_a_token_that_cannot_be_read_is_named_and_not_repeated(text: str) -> None:
    with pytest.raises(BuilderSettingsError, match="IF_BLOB_TOKEN") as caught:
        samples.settings_for(samples.root_job(), token=text)
    assert "no-token" not in str(caught.value)
