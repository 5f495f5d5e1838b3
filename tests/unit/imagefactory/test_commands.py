"""The command against a factory over HTTP: what it asks, what it shows, and with which exit code it ends."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagefactory import screen
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, build_view, image_view, problem, reply

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).parents[3]
BUILD = "payments-api.0123456789ab.1"


def test_a_text_of_several_lines_is_shown_in_lines_and_moves_no_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen.facts("build", {"failure": "Packer could not do it; its last lines:\n==> one\r\x1b[2J\n==> two"})
    shown = capsys.readouterr().out
    assert [line.strip() for line in shown.splitlines()[1:]] == [
        "failure  Packer could not do it; its last lines:",
        "==> one",
        "�[2J",
        "==> two",
    ]


def test_validate_says_what_a_folder_is(run: Run, folder: Path) -> None:
    done = run("validate", folder)
    assert done.exit_code == 0
    assert "payments-api is valid: 1 file, " in done.stdout


def test_validate_shows_every_error_of_document_bundle_and_paths_at_once(run: Run, folder: Path) -> None:
    text = (folder / "image.yaml").read_text()
    (folder / "image.yaml").write_text(text.replace("name: payments-api", "name: Payments, tema: x"))
    (folder / "link").symlink_to("/etc/passwd")
    done = run("validate", folder)
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "error: 3 things are wrong"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["metadata.name", "metadata.tema", "link"]


@pytest.mark.parametrize("option", [[], ["--platform"]])
def test_validate_checks_the_folder_of_secops_too(run: Run, tmp_path: Path, option: list[str]) -> None:
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "a.sh").write_text("#!/bin/bash\n")
    (tmp_path / "catalog.json").write_text('{"hosts": ["github.com"], "entries": []}')
    done = run("validate", tmp_path, *option)
    assert (done.exit_code, "platform is valid: 2 files" in done.stdout) == (0, True), done.stderr
    (tmp_path / "catalog.json").write_text('{"hosts": [], "entries": []}')
    done = run("validate", tmp_path, *option, "-o", "json")
    assert done.exit_code == 1
    assert [each["rule"] for each in json.loads(done.stdout)["problems"]] == ["catalog-hosts"]


def test_validate_refuses_a_waiver_whose_day_has_passed(run: Run, folder: Path) -> None:
    scan = "{profile: cis, minScore: 90, waivers: [{rule: r, reason: x, expires: 2020-01-01}]}"
    text = (folder / "image.yaml").read_text()
    (folder / "image.yaml").write_text(f"{text}  verify: {{compliance: {scan}}}\n")
    done = run("validate", folder)
    assert done.exit_code == 1
    assert "waivers[0].expires: is 2020-01-01, which has passed" in " ".join(done.stderr.split())


def test_validate_finds_missing_files_and_secrets(run: Run, folder: Path) -> None:
    (folder / "install.sh").rename(folder / "setup.sh")
    (folder / "key").write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n" + "A" * 64)
    done = run("validate", folder, "-o", "json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["valid"] is False
    assert {each["rule"] for each in found["problems"]} == {"secret", "path-in-bundle"}


def test_a_folder_without_image_yaml_is_refused_with_the_way_to_mend_it(run: Run, tmp_path: Path) -> None:
    done = run("validate", tmp_path)
    assert done.exit_code == 1
    assert "image.yaml: is missing" in done.stderr


def test_pack_writes_the_bundle_that_its_digest_names(run: Run, folder: Path, tmp_path: Path) -> None:
    done = run("pack", folder, "-o", tmp_path / "out.tar.gz")
    assert done.exit_code == 0
    content = (tmp_path / "out.tar.gz").read_bytes()
    assert done.stdout.strip() == hashlib.sha256(content).hexdigest()
    assert gzip.decompress(content)


def test_register_uploads_and_creates_then_updates_on_the_version_it_has_seen(
    run: Run, folder: Path, factory: FakeFactory
) -> None:
    first = run("register", folder)
    assert first.exit_code == 0, first.stderr
    assert "registered payments-api" in first.stdout
    assert "fixed by its first build: generation V2; change: never" in first.stderr
    assert factory.images["payments-api"]["document"]["metadata"]["team"] == "payments"
    (folder / "install.sh").write_text("#!/bin/bash\necho new\n")
    second = run("register", folder, "-o", "json")
    assert second.exit_code == 0, second.stderr
    assert json.loads(second.stdout)["created"] is False
    assert len(factory.bundles) == 2


def test_register_create_refuses_an_image_that_is_there(run: Run, folder: Path) -> None:
    assert run("register", folder, "--create").exit_code == 0
    done = run("register", folder, "--create")
    assert done.exit_code == 1
    assert "registered already (412)" in done.stderr


def test_register_on_an_old_version_changes_nothing(run: Run, folder: Path, factory: FakeFactory) -> None:
    run("register", folder)
    before = factory.images["payments-api"]["etag"]
    assert run("register", folder, "--if-match", "old").exit_code == 1
    assert factory.images["payments-api"]["etag"] == before
    assert run("register", folder, "--if-match", before.strip('"')).exit_code == 0


def test_create_and_if_match_exclude_each_other(run: Run, folder: Path) -> None:
    assert run("register", folder, "--create", "--if-match", "x").exit_code == 2


def test_an_invalid_folder_is_never_sent(run: Run, folder: Path, factory: FakeFactory) -> None:
    (folder / "install.sh").unlink()
    assert run("register", folder).exit_code == 1
    assert factory.asked == []


def test_every_error_of_the_factory_is_shown_on_its_line(
    run: Run, folder: Path, factory: FakeFactory
) -> None:
    errors = [
        {"path": "spec.parent.image", "message": "is not registered", "remedy": "register it first"},
        {"path": "spec.build.catalog[0]", "message": "is not in the catalog", "remedy": "use goss"},
    ]
    factory.answers = [reply(201, {}), problem(404, "none"), problem(422, "2 things are wrong", *errors)]
    done = run("register", folder)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "error: 2 things are wrong (422) [correlation id c-1]",
        "  spec.parent.image: is not registered; register it first",
        "  spec.build.catalog[0]: is not in the catalog; use goss",
    ]


def test_list_shows_all_pages(run: Run, factory: FakeFactory) -> None:
    for name in ("a", "b", "c", "d", "e"):
        factory.images[name] = {
            "etag": '"1"',
            "view": image_view(name, team="ml" if name == "c" else "payments"),
        }
    assert [image["name"] for image in json.loads(run("list", "-o", "json").stdout)] == [
        "a",
        "b",
        "c",
        "d",
        "e",
    ]
    assert [image["name"] for image in json.loads(run("list", "-o", "json", "--team", "ml").stdout)] == ["c"]
    assert "5 images" in run("list").stdout


def test_show_gives_the_version_to_update(run: Run, folder: Path, factory: FakeFactory) -> None:
    run("register", folder)
    shown = json.loads(run("show", "payments-api", "-o", "json").stdout)
    assert shown["etag"] == factory.images["payments-api"]["etag"]
    assert BUILD in run("show", "payments-api").stdout


def test_what_does_not_exist_is_refused(run: Run) -> None:
    done = run("show", "nothing/../x")
    assert done.exit_code == 1
    assert "nothing%2F..%2Fx" in done.stderr


def test_rebuild_sends_reason_and_key(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a")}
    factory.builds[BUILD] = [build_view(BUILD)]
    done = run("rebuild", "a", "--reason", "patch day", "--key", "k-1")
    assert done.exit_code == 0
    assert BUILD in done.stdout
    assert factory.request == {"key": "k-1", "reason": "patch day"}


def test_rebuild_wait_follows_the_build_to_its_end(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a")}
    phases = [build_view(BUILD, phase=phase, result=None) for phase in ("pending", "building", "verifying")]
    factory.builds[BUILD] = [*phases, build_view(BUILD)]
    done = run("rebuild", "a", "--wait", "--every", "0.05")
    assert done.exit_code == 0
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "pending",
        "building",
        "verifying",
        "finished succeeded",
    ]
    assert "version 1.20261121.2" in done.stdout


def test_rebuild_wait_fails_with_the_build(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a")}
    factory.builds[BUILD] = [
        build_view(BUILD, result="failed", failure="goss: 1 of 3 failed", failure_owner="team")
    ]
    done = run("rebuild", "a", "--wait", "--every", "0.05")
    assert done.exit_code == 1
    assert "goss: 1 of 3 failed; its owner is team" in done.stderr


def test_rebuild_wait_waits_for_a_build_to_start(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a")}
    waiting = {"token": "t", "build": None, "why": "waiting", "detail": "for rhel9-base"}
    idle, busy = image_view("a", state="waiting"), image_view("a", active_build=BUILD)
    factory.answers = [reply(202, waiting), reply(200, idle), reply(200, busy)]
    factory.builds[BUILD] = [build_view(BUILD)]
    assert run("rebuild", "a", "--wait", "--every", "0.05").exit_code == 0


def test_rebuild_wait_ends_at_its_deadline(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a")}
    factory.builds[BUILD] = [build_view(BUILD, phase="building", result=None)]
    done = run("rebuild", "a", "--wait", "--every", "0.05", "--timeout", "0.2")
    assert done.exit_code == 1
    assert "was not finished within 0.2 s" in done.stderr


@pytest.mark.parametrize(
    ("phase", "result", "words"),
    [("building", None, "stops (it is building)"), ("finished", "cancelled", "is cancelled")],
)
def test_cancel_says_whether_the_build_stops_or_has_stopped(
    phase: str, result: str | None, words: str, run: Run, factory: FakeFactory
) -> None:
    factory.builds[BUILD] = [build_view(BUILD, phase=phase, result=result)]
    done = run("cancel", BUILD, "--reason", "wrong licence")
    assert (done.exit_code, words in done.stdout) == (0, True), done.output
    assert factory.request == {"reason": "wrong licence"}
    assert json.loads(run("cancel", BUILD, "-o", "json").stdout)["result"] == result


def test_a_build_that_has_ended_is_not_cancelled(run: Run, factory: FakeFactory) -> None:
    factory.builds[BUILD] = [build_view(BUILD)]
    done = run("cancel", BUILD)
    assert (done.exit_code, "before it could be cancelled (409)" in done.stderr) == (1, True)


def test_builds_show_and_lineage(run: Run, factory: FakeFactory) -> None:
    factory.builds[BUILD] = [build_view(BUILD)]
    assert "requested by dev" in run("builds", "show", BUILD).stdout
    drawn = run("lineage")
    assert [line.strip("│├└─ ") for line in drawn.stdout.splitlines()] == ["base", "java", "app"]
    assert drawn.stderr.count("lost: has no parent") == 1
    assert json.loads(run("lineage", "-o", "json").stdout)["levels"] == [["base"], ["java"], ["app"]]
    run("lineage", "base")
    assert [path for _, path, _ in factory.asked[-2:]] == [
        "/api/lineage?after=&limit=1000&image=base",
        "/api/lineage?after=base&limit=1000&image=base",
    ]


def test_gates_are_shown_with_score_and_evidence(run: Run, factory: FakeFactory) -> None:
    gates = [
        {"gate": "boot", "passed": True, "score": None, "evidence": "", "simulated": True},
        {"gate": "compliance", "passed": False, "score": 41.5, "evidence": "of 90", "simulated": False},
    ]
    factory.builds[BUILD] = [build_view(BUILD, gates=gates)]
    factory.images["a"] = {"etag": '"1"', "view": image_view("a", builds=[build_view(BUILD, gates=gates)])}
    lines = run("builds", "show", BUILD).stdout.splitlines()
    (boot,) = (line for line in lines if "boot" in line)
    (compliance,) = (line for line in lines if "compliance" in line)
    assert [word in boot for word in ("passed", "simulated")] == [True, True]
    assert [word in compliance for word in ("failed", "41.5", "of 90", "on a machine")] == [True] * 4
    assert "passed boot*; FAILED compliance 41.5" in " ".join(run("show", "a").stdout.split())
    assert json.loads(run("builds", "show", BUILD, "-o", "json").stdout)["gates"] == gates


def test_a_build_without_verdicts_says_so(run: Run, factory: FakeFactory) -> None:
    factory.builds[BUILD] = [build_view(BUILD, gates=[])]
    assert "not judged yet" in run("builds", "show", BUILD).stderr


def test_platform_register_packs_the_platform_parts_alone(
    run: Run, tmp_path: Path, factory: FakeFactory
) -> None:
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "verify.sh").write_text("true\n")
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "secret").write_text("not sent\n")
    (tmp_path / "catalog.json").write_text('{"hosts": ["github.com"], "entries": []}')
    done = run("platform", "register", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert factory.platform["catalog"] == {"hosts": ["github.com"], "entries": []}
    assert b"not sent" not in gzip.decompress(factory.bundles[factory.platform["bundle"]])
    assert "drop_used" not in factory.platform
    assert run("platform", "register", tmp_path, "--drop-used").exit_code == 0
    assert factory.platform["drop_used"] is True


def test_a_broken_platform_folder_is_refused_whole(run: Run, tmp_path: Path, factory: FakeFactory) -> None:
    (tmp_path / "catalog.json").write_text('{"hosts": ["github.com"], "entries": [{"id": "x"}]}')
    done = run("platform", "register", tmp_path)
    assert done.exit_code == 1
    assert "has no folder platform/" in done.stderr
    assert "catalog.entries[0].url" in done.stderr
    assert factory.asked == []


def test_our_own_platform_steps_are_valid(run: Run, factory: FakeFactory) -> None:
    done = run("platform", "register", CHECKOUT / "images")
    assert done.exit_code == 0, done.stderr
    assert factory.platform


def test_schema_is_json(run: Run) -> None:
    assert json.loads(run("schema").stdout)["title"] == "image.yaml of Image Factory"


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"IMAGEFACTORY_URL": ""}, 2, "no factory is named"),
        ({"IMAGEFACTORY_URL": "http://images.example.com"}, 2, "is not https"),
        ({"IMAGEFACTORY_URL": "https://u:p@images.example.com"}, 2, "user or a password"),
        ({"IMAGEFACTORY_URL": "ftp://images.example.com"}, 2, "is not an address"),
        ({"IMAGEFACTORY_TOKEN": ""}, 2, "you are not signed in"),
        ({"IMAGEFACTORY_TOKEN": "Bearer x"}, 2, "does not hold a token"),
        ({"IMAGEFACTORY_TOKEN": "expired"}, 1, "send an access token (401)"),
        ({"IMAGEFACTORY_URL": "http://127.0.0.1:1"}, 3, "does not answer"),
        ({"IMAGEFACTORY_URL": "https://127.0.0.1:1", "IMAGEFACTORY_CA_FILE": "/none.pem"}, 2, "--ca-file"),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    run: Run, environment: dict[str, str], code: int, words: str
) -> None:
    done = run("list", **environment)
    assert (done.exit_code, words in done.stderr) == (code, True), done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((302, {"Location": "https://evil.example.com"}, b""), 1, "was redirected"),
        ((200, {}, b"<html>"), 3, "is not JSON"),
        ((500, {}, b"<html>"), 3, "500 and no explanation"),
        ((403, {}, b""), 1, "403 and no explanation"),
        (problem(503, "storage does not answer"), 3, "storage does not answer (503)"),
    ],
)
def test_strange_answers_are_reported_plainly(
    run: Run, factory: FakeFactory, answer: tuple[int, dict[str, str], bytes], code: int, words: str
) -> None:
    factory.answers = [answer]
    done = run("list")
    assert (done.exit_code, words in done.stderr) == (code, True), done.stderr


def test_a_busy_factory_is_asked_again_a_bounded_number_of_times(run: Run, factory: FakeFactory) -> None:
    busy = (503, {"Retry-After": "0"}, b"{}")
    factory.answers = [busy, busy]
    assert run("list").exit_code == 0
    factory.answers = [busy] * 5
    assert run("list").exit_code == 3
    assert len(factory.answers) == 2


def test_texts_of_others_move_no_terminal(run: Run, factory: FakeFactory) -> None:
    factory.images["a"] = {"etag": '"1"', "view": image_view("a", detail="\x1b[2J[red]x[/red]")}
    shown = run("list").stdout
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


def test_a_token_is_never_shown(run: Run, factory: FakeFactory) -> None:
    for words in (["list"], ["show", "x"], ["list", "--help"]):
        done = run(*words, IMAGEFACTORY_TOKEN="s3cr3t-token")
        assert "s3cr3t-token" not in done.output


def test_python_m_imagefactory_works_from_anywhere(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imagefactory", "validate", str(folder)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
