"""`imagefactory catalog`: the factory is asked first, files are compared, and go to the storage alone."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from imagefactory.catalog import downloads
from imagefactory.catalog.downloads import Downloads
from imagefactory.catalog.submission import Submission
from imagefactory.client import Client
from imagefactory.failures import CommandRefused
from pipeline_core.guard.catalog import CatalogEntry
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import TOKEN, FakeFactory, tool_record

pytestmark = pytest.mark.process

FALCON, NESSUS = b"falcon" * 1000, b"nessus" * 1000


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _entry(tool: str, content: bytes) -> dict[str, str]:
    address = f"https://tools.factory.corp/{tool}-1.0.rpm"
    return {"id": tool, "version": "1.0", "url": address, "sha256": _digest(content)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secops"
    (made / "platform").mkdir(parents=True)
    (made / "platform" / "a.sh").write_text("echo\n")
    entries = [_entry("falcon", FALCON), _entry("nessus", NESSUS)]
    (made / "catalog.json").write_text(json.dumps({"hosts": ["tools.factory.corp"], "entries": entries}))
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    (made / "falcon-1.0.rpm").write_bytes(FALCON)
    (made / _digest(NESSUS)).write_bytes(NESSUS)
    return made


def test_files_of_a_folder_are_brought_and_only_they(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    done = run("catalog", "submit", folder, "--from", files, "--wait", "--every", "0.05")
    assert done.exit_code == 0, done.output
    assert factory.stored == {_digest(FALCON): FALCON, _digest(NESSUS): NESSUS}
    assert "sig=secret" not in done.output
    asked = len(factory.asked)
    again = run("catalog", "submit", folder, "--from", files)
    assert again.exit_code == 0
    assert [method for method, _, _ in factory.asked[asked:]] == ["GET"]
    assert again.output.count("admitted") >= 2


def test_one_tool_may_be_chosen_and_an_unknown_one_is_named(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    assert run("catalog", "submit", folder, "nessus", "--from", files).exit_code == 0
    assert list(factory.stored) == [_digest(NESSUS)]
    wrong = run("catalog", "submit", folder, "nesus", "--from", files)
    assert wrong.exit_code == 2
    assert "the catalog has no nesus" in wrong.output


def test_a_file_with_another_content_is_not_brought_and_stops_no_other(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    (files / "falcon-1.0.rpm").write_bytes(b"another")
    done = run("catalog", "submit", folder, "--from", files)
    assert done.exit_code == 1
    assert f"SHA-256 is {_digest(b'another')}" in done.output
    assert list(factory.stored) == [_digest(NESSUS)]
    assert (files / "falcon-1.0.rpm").exists()


def test_a_refused_file_is_said_with_its_command(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    factory.tools[_digest(FALCON)] = tool_record(_digest(FALCON), state="refused", reason="Malicious")
    done = run("catalog", "submit", folder, "--from", files)
    assert done.exit_code == 1
    assert "refused: Malicious" in done.output
    assert f"imagefactory catalog remove {_digest(FALCON)}" in " ".join(done.output.split())
    assert list(factory.stored) == [_digest(NESSUS)]


def test_an_upload_that_was_done_before_is_done(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    """The answer of the first upload was lost: the storage says that the blob exists."""
    factory.stored |= {_digest(FALCON): FALCON, _digest(NESSUS): NESSUS}
    factory.stale_offers = 1  # the first offer was made before that upload
    assert run("catalog", "submit", folder, "--from", files).exit_code == 0


def _offers(factory: FakeFactory) -> int:
    return len([path for method, path, _ in factory.asked if method == "POST"])


def test_a_closed_network_is_said_with_the_place_that_helps(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    factory.refusals = ["AuthorizationFailure"]
    done = run("catalog", "submit", folder, "falcon", "--from", files)
    said = " ".join(done.output.split())
    assert done.exit_code == 1
    assert (
        "storage is closed to this machine (AuthorizationFailure): run it inside the factory's network"
        in said
    )
    assert (_offers(factory), "sig=secret" in done.output) == (1, False)


def test_an_address_whose_time_is_over_is_replaced_once(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    factory.refusals = ["AuthenticationFailed"]
    assert run("catalog", "submit", folder, "falcon", "--from", files).exit_code == 0
    assert (list(factory.stored), _offers(factory)) == ([_digest(FALCON)], 2)
    factory.refusals = ["AuthenticationFailed"] * 3
    done = run("catalog", "submit", folder, "nessus", "--from", files)
    assert done.exit_code == 1
    assert "storage refused the file (403, AuthenticationFailed)" in " ".join(done.output.split())
    assert len(factory.refusals) == 1


def test_who_may_not_bring_is_told_once_and_before_any_download(
    run: Run, factory: FakeFactory, folder: Path, tmp_path: Path
) -> None:
    factory.may_bring = False
    done = run("catalog", "submit", folder, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.exit_code == 1
    assert done.output.count("only SecOps may do this") == 1
    assert (_offers(factory), (tmp_path / "cache").exists()) == (1, False)


def test_what_is_brought_and_not_looked_at_is_not_fetched_again(
    run: Run, factory: FakeFactory, folder: Path, tmp_path: Path
) -> None:
    factory.tools[_digest(FALCON)] = tool_record(_digest(FALCON))
    factory.stored[_digest(FALCON)] = FALCON
    done = run("catalog", "submit", folder, "falcon", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.exit_code == 0, done.output
    assert "brought, not looked at yet" in " ".join(done.output.split())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("taken", "offers"), [(599, 1), (601, 2)], ids=["young", "old"])
def test_an_old_offer_is_asked_for_again(
    factory: FakeFactory, tmp_path: Path, taken: int, offers: int
) -> None:
    """A download may take longer than an address is good for."""
    now = [0.0]
    file = tmp_path / "falcon.rpm"
    file.write_bytes(FALCON)

    def find(_: CatalogEntry) -> Path:
        now[0] += taken
        return file

    client = Client(url=factory.url, token=TOKEN)
    made = Submission(client=client, find=find, report=lambda _: None, clock=lambda: now[0])
    (done,) = made.bring([CatalogEntry(**_entry("falcon", FALCON))])
    assert (done.is_wrong, _offers(factory), list(factory.stored)) == (False, offers, [_digest(FALCON)])


def test_a_file_that_cannot_be_read_stops_no_other_and_is_said_with_its_folder(
    run: Run, factory: FakeFactory, folder: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(entry: CatalogEntry, file: Path, **_: bool) -> None:
        if entry.id == "falcon":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    monkeypatch.setattr(downloads, "demand_digest", unreadable)
    done = run("catalog", "submit", folder, "--from", files)
    said = " ".join(done.output.split())
    assert done.exit_code == 1
    assert f"falcon: {files}/falcon-1.0.rpm: Permission denied; the folder is {files}" in said.replace(
        "\n", ""
    )
    assert list(factory.stored) == [_digest(NESSUS)]
    assert "2 files" in said


def test_a_file_that_is_gone_before_its_upload_stops_no_other(factory: FakeFactory, tmp_path: Path) -> None:
    left = tmp_path / "nessus.rpm"
    left.write_bytes(NESSUS)
    found = {"falcon": tmp_path / "gone.rpm", "nessus": left}
    client = Client(url=factory.url, token=TOKEN)
    made = Submission(client=client, find=lambda entry: found[entry.id], report=lambda _: None)
    entries = [CatalogEntry(**_entry("falcon", FALCON)), CatalogEntry(**_entry("nessus", NESSUS))]
    gone, brought = made.bring(entries)
    assert gone.is_wrong
    assert f"{tmp_path}/gone.rpm: No such file or directory; the folder is {tmp_path}" in gone.outcome
    assert not brought.is_wrong
    assert list(factory.stored) == [_digest(NESSUS)]


def test_a_missing_file_of_certificates_is_named(factory: FakeFactory, tmp_path: Path) -> None:
    file = tmp_path / "falcon.rpm"
    file.write_bytes(FALCON)
    client = Client(url=factory.url, token=TOKEN, ca_file=str(tmp_path / "none.pem"))
    made = Submission(client=client, find=lambda _: file, report=lambda _: None)
    entry = CatalogEntry(**_entry("falcon", FALCON))
    with pytest.raises(CommandRefused, match=r"none\.pem"):  # over TLS, as the storage is
        made._put(entry, file, "https://127.0.0.1:1/x?sig=secret")


def test_a_file_of_a_folder_stays_there_whatever_its_name_is(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    document = json.loads((folder / "catalog.json").read_text())
    entry = _entry("falcon", FALCON) | {"url": "https://tools.factory.corp/falcon.part"}
    (folder / "catalog.json").write_text(json.dumps(document | {"entries": [entry]}))
    (files / "falcon.part").write_bytes(FALCON)
    assert run("catalog", "submit", folder, "--from", files).exit_code == 0
    assert list(factory.stored) == [_digest(FALCON)]
    assert (files / "falcon.part").exists()


def test_waiting_ends_with_the_names_of_what_waits(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    waiting = tool_record(_digest(FALCON), state="quarantined", reason="not scanned")
    factory.tools[_digest(FALCON)] = waiting
    words = ("--wait", "--timeout", "0.2", "--every", "0.05")
    done = run("catalog", "submit", folder, "falcon", "--from", files, *words)
    assert done.exit_code == 3
    assert "falcon is not admitted after 0.2 s" in done.output


def test_the_list_shows_what_builds_wait_for(run: Run, factory: FakeFactory) -> None:
    factory.tools["aa" * 32] = tool_record("aa" * 32, state="admitted", reason="", scanned_by="a scanner")
    factory.tools["bb" * 32] = tool_record("bb" * 32, state="refused", reason="Malicious\x1b[2J")
    shown = run("catalog", "list")
    assert shown.exit_code == 0
    assert "aa" * 32 in shown.output
    assert "\x1b" not in shown.output
    missing = json.loads(run("catalog", "list", "--missing", "-o", "json").output)
    assert [each["sha256"] for each in missing] == ["bb" * 32]


def test_a_removal_needs_a_reason_and_a_digest(run: Run, factory: FakeFactory) -> None:
    factory.tools["bb" * 32] = tool_record("bb" * 32, state="refused")
    assert run("catalog", "remove", "bb" * 32).exit_code == 2
    assert run("catalog", "remove", "nothing", "--reason", "x").exit_code == 2
    assert factory.tools
    assert run("catalog", "remove", "bb" * 32, "--reason", "a false finding").exit_code == 0
    assert (factory.tools, factory.request) == ({}, {"reason": "a false finding"})


def test_a_catalog_is_registered_after_its_files(
    run: Run, factory: FakeFactory, folder: Path, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    (cache / "imagefactory" / "catalog").mkdir(parents=True)
    for content in (FALCON, NESSUS):
        part = cache / "imagefactory" / "catalog" / f"{_digest(content)}.part"
        part.write_bytes(content)
    monkeypatch.setattr(Downloads, "_go_on", lambda *_: None)  # all of it is there
    done = run("platform", "register", folder, "--submit", XDG_CACHE_HOME=str(cache))
    assert done.exit_code == 0, done.output
    assert set(factory.stored) == {_digest(FALCON), _digest(NESSUS)}
    assert factory.platform["catalog"]["entries"][0]["id"] == "falcon"
    assert list((cache / "imagefactory" / "catalog").iterdir()) == []
