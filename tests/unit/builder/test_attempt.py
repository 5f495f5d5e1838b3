"""One attempt: what it leaves in storage and what it sends, for each way it can end."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from builder.attempt import BuilderExit
from builder.packer.command import Packer, PackerRun, RunEnd
from pipeline_core.domain import attempts
from pipeline_core.domain.errors import ErrorClass, StaleWrite, TransientError
from pipeline_core.wire.messages import BuildEventMessage
from tests.unit.builder import samples
from tests.unit.builder.conftest import Run
from tests.unit.builder.fakes import FolderBlobs, FolderEvents

pytestmark = pytest.mark.process


def test_a_build_leaves_its_report_manifest_and_log_and_sends_one_completed_event(run: Run) -> None:
    left = run(samples.root_job(), samples.GOOD_BUILD)

    assert left.exit is BuilderExit.DONE
    names = {"started.json", "log.txt", "manifest.json", "result.json"}
    assert left.blobs.names() == {f"{samples.ROOT_BUILD}/build-1/{name}" for name in names}
    assert left.report.succeeded
    assert left.report.artifact == samples.ARTIFACT
    assert left.report.packer == "1.16.0"
    assert "Connected to SSH!" in left.log
    assert [event["kind"] for event in left.events.sent] == ["completed"]
    message = BuildEventMessage.from_wire(_text(left.events.sent[0]))
    assert (message.build, message.stage, message.attempt) == (samples.ROOT_BUILD, "build", 1)
    assert message.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c")


def test_a_verify_run_reports_every_check_and_keeps_the_evidence(run: Run) -> None:
    left = run(samples.verify_job(), samples.GOOD_VERIFY)

    assert left.exit is BuilderExit.DONE
    checks = {check.name: check for check in left.report.checks}
    assert set(checks) == {"boot", "goss", "smoke", "hygiene", "ports"}
    assert all(check.passed and not check.simulated for check in checks.values())
    assert left.report.scan is not None
    assert (left.report.scan.score, left.report.scan.simulated) == (96.4, False)
    assert left.report.artifact == ""


def test_an_image_of_older_platform_steps_is_judged_without_the_ports_that_these_leave_open(
    run: Run,
) -> None:
    older = samples.digest_of(samples.OLDER_PLATFORM_CONTENT)
    seen = samples.GOOD_VERIFY.replace('"found": "closed"', '"found": "refused"')
    left = run(samples.verify_job(platform=older), seen, platform=samples.OLDER_PLATFORM_CONTENT)
    assert json.loads((left.work / "ports-asked.json").read_text(encoding="utf-8"))["ports"] == []
    assert {check.name for check in left.report.checks} == {"boot", "goss", "smoke", "hygiene"}
    assert all(check.passed for check in left.report.checks)


KEPT = (
    "advisories.json",
    "goss.json",
    "hygiene.json",
    "packages.json",
    "report.html.gz",
    "sbom.cdx.json",
    "smoke.json",
    "xccdf.xml.gz",
)


def test_the_evidence_is_kept_and_listed_with_digest_size_and_type(run: Run) -> None:
    left = run(samples.verify_job(), samples.GOOD_VERIFY)

    assert tuple(each.name for each in left.report.evidence) == KEPT
    for each in left.report.evidence:
        content = left.blobs.read("builds", f"{samples.CHILD_BUILD}/verify-1/{each.name}", limit=10**6)
        assert (each.sha256, each.size) == (samples.digest_of(content), len(content))
        assert each.media_type == (
            "application/gzip"
            if each.name.endswith(".gz")
            else "application/vnd.cyclonedx+json"
            if each.name == "sbom.cdx.json"
            else "application/json"
        )


def test_the_manifest_of_a_build_is_evidence_too(run: Run) -> None:
    left = run(samples.root_job(), samples.GOOD_BUILD)
    assert [each.name for each in left.report.evidence] == ["manifest.json"]


def test_a_recorded_packer_is_named_in_the_report_the_log_and_every_check(run: Run) -> None:
    left = run(samples.verify_job(), samples.GOOD_VERIFY, version="recorded (no real Packer)")

    assert left.report.packer == "recorded"
    assert all(check.simulated for check in left.report.checks)
    assert left.report.scan is not None
    assert left.report.scan.simulated
    assert "simulated" in left.log


HOSTILE = {
    "no result of a smoke test": ("rm results/smoke.json", ErrorClass.SMOKE, "smoke.json: is missing"),
    "no result of hygiene": ("rm results/hygiene.json", ErrorClass.HYGIENE, "hygiene.json: is missing"),
    "no scan": ("rm results/xccdf.xml.gz", ErrorClass.COMPLIANCE, "xccdf.xml.gz: is missing"),
    "no packages": ("rm results/packages.json", ErrorClass.TEMPLATE, "packages.json is missing"),
    "goss that is not JSON": (
        "printf '\\033[31mError: \\342\\200\\256no gossfile' > results/goss.json",
        ErrorClass.SMOKE,
        "goss.json: is not JSON",
    ),
    "a scan that is cut off": (
        "head -c 300 results/xccdf.xml.gz > cut && mv cut results/xccdf.xml.gz",
        ErrorClass.COMPLIANCE,
        "cut off",
    ),
    "an empty scan": (": > results/xccdf.xml.gz", ErrorClass.COMPLIANCE, "the file is empty"),
    "a scan with an entity from a file": (
        "printf '<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>' | gzip > results/xccdf.xml.gz",
        ErrorClass.COMPLIANCE,
        "declare a document type or entities",
    ),
    "a scan that is a bomb": (
        "(echo '<x>'; head -c 200000000 /dev/zero | tr '\\0' x) | gzip -1 > results/xccdf.xml.gz",
        ErrorClass.COMPLIANCE,
        "unpack to more than",
    ),
    "a result that is too large": (
        "head -c 2000000 /dev/zero > results/goss.json",
        ErrorClass.SMOKE,
        "goss.json: is missing or larger than 1,048,576 bytes",
    ),
}


@pytest.mark.parametrize(("spoil", "error_class", "text"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_result_that_cannot_be_used_ends_the_stage_with_its_class_and_what_there_is_is_kept(
    run: Run, spoil: str, error_class: ErrorClass, text: str
) -> None:
    left = run(samples.verify_job(), f"{samples.GOOD_VERIFY}\n{spoil}")

    assert left.exit is BuilderExit.DONE
    assert left.report.error_class is error_class
    assert text in left.report.message
    assert len(left.report.message) <= 4000
    assert all(line.isprintable() for line in left.report.message.splitlines())
    assert left.report.checks == ()
    assert left.report.scan is None
    assert "advisories.json" in [each.name for each in left.report.evidence]


def test_a_restarted_container_says_so_and_touches_nothing_else(run: Run) -> None:
    run(samples.root_job(), samples.GOOD_BUILD)
    again = run(samples.root_job(), "echo second > ran; exit 1")

    assert again.exit is BuilderExit.DONE
    assert [event["kind"] for event in again.events.sent] == ["completed", "restarted"]
    assert again.report.succeeded
    assert list(again.work.iterdir()) == []


def test_a_report_without_its_event_ends_with_0_so_that_azure_does_not_start_the_container_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FolderEvents, text: str) -> None:
        raise TransientError(ErrorClass.NETWORK, "no queue")

    monkeypatch.setattr(FolderEvents, "send", refuse)
    left = run(samples.root_job(), samples.GOOD_BUILD)

    assert left.exit is BuilderExit.DONE
    assert left.report.succeeded
    assert left.events.sent == []


@pytest.mark.parametrize(("refused", "sent"), [("started.json", []), ("result.json", ["completed"])])
def test_what_cannot_be_written_is_raised_and_a_missing_report_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, refused: str, sent: list[str]
) -> None:
    create, events = FolderBlobs.create, list[str]()

    def fail(self: FolderBlobs, container: str, name: str, content: bytes, *, media_type: str) -> None:
        if name.endswith(refused):
            raise TransientError(ErrorClass.NETWORK, "no storage")
        create(self, container, name, content, media_type=media_type)

    def send(self: FolderEvents, text: str) -> None:
        events.append(BuildEventMessage.from_wire(text).kind)

    monkeypatch.setattr(FolderBlobs, "create", fail)
    monkeypatch.setattr(FolderEvents, "send", send)
    with pytest.raises(TransientError, match="no storage"):  # the program ends with UNREPORTED
        run(samples.root_job(), samples.GOOD_BUILD)
    assert events == sent


def test_findings_of_the_guard_fail_the_build_before_packer_runs(run: Run) -> None:
    content = samples.pack({"a.sh": f"export TOKEN={samples.GITHUB_TOKEN}\n", "../b.sh": ""})

    left = run(samples.root_job(bundle=samples.digest_of(content)), samples.GOOD_BUILD, bundle=content)

    assert left.exit is BuilderExit.DONE
    assert left.report.error_class is ErrorClass.POLICY
    assert "bundle: a.sh" in left.report.message
    assert "../b.sh" in left.report.message
    assert samples.GITHUB_TOKEN not in left.report.message + left.log
    assert left.report.packer == ""
    assert list(left.work.iterdir()) == []


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            'echo "Connected to SSH!"; echo "x: imagefactory: step 4 of 9: shell: a.sh"\n'
            "echo \"Build 'azure-arm.image' errored after 3 seconds: "
            'Script exited with non-zero exit status: 7"; exit 1',
            ErrorClass.PROVISIONER,
            id="step",
        ),
        pytest.param(
            'echo "Connected to SSH!"; echo "x: imagefactory: step 8 of 9: after/85-hygiene-check.sh"\n'
            'echo "Script exited with non-zero exit status: 1"; exit 1',
            ErrorClass.HYGIENE,
            id="hygiene",
        ),
        pytest.param('echo "SkuNotAvailable: no room"; exit 1', ErrorClass.CAPACITY, id="capacity"),
        pytest.param('echo "strange"; exit 1', ErrorClass.UNKNOWN, id="unknown"),
        pytest.param("true", ErrorClass.TEMPLATE, id="no-manifest"),
        pytest.param("echo '{' > manifest.json", ErrorClass.TEMPLATE, id="broken-manifest"),
    ],
)
def test_a_failed_build_reports_its_class_and_its_last_lines(
    run: Run, build: str, expected: ErrorClass
) -> None:
    left = run(samples.root_job(), build)

    assert left.exit is BuilderExit.DONE
    assert not left.report.succeeded
    assert left.report.error_class is expected
    assert [event["kind"] for event in left.events.sent] == ["completed"]


def test_terms_that_nobody_accepted_are_reported_with_the_plan_of_the_job(run: Run) -> None:
    said = "BadRequest: Legal terms have not been accepted for this item."
    left = run(samples.root_job(plan=samples.PLAN), f"echo '{said}'; exit 1")
    assert left.report.error_class is ErrorClass.TERMS
    assert "--publisher redhat --offer rhel-byos --plan rhel-lvm9-gen2" in left.report.message


def test_a_template_that_packer_refuses_is_never_built(run: Run) -> None:
    left = run(samples.root_job(), "touch built", validate="{ echo 'Error: no such key'; exit 1; }")

    assert left.report.error_class is ErrorClass.TEMPLATE
    assert "no such key" in left.report.message
    assert not (left.work / "built").exists()


def test_a_bundle_with_another_content_than_its_digest_is_refused(run: Run) -> None:
    job = samples.root_job(bundle="0" * 64)

    left = run(job, samples.GOOD_BUILD)

    assert left.report.error_class is ErrorClass.POLICY
    assert "has the content of" in left.report.message


def test_packer_sees_a_clean_environment_and_the_folder_holds_the_template(run: Run) -> None:
    left = run(samples.root_job(), f"env > seen\n{samples.GOOD_BUILD}")

    seen = (left.work / "seen").read_text()
    assert "CHECKPOINT_DISABLE=1" in seen
    assert f"PACKER_CONFIG_DIR={left.work}/packer-config" in seen
    assert "PKR_VAR_x" not in seen
    assert (left.work / "template.pkr.json").is_file()


def test_the_time_of_the_job_bounds_packer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Packer, template: str, *, limit: Callable[[], float]) -> PackerRun:
        return PackerRun(ended=RunEnd.TIMED_OUT if limit() == 3600 else RunEnd.BY_ITSELF, exit_code=1)

    monkeypatch.setattr(Packer, "build", build)
    left = run(samples.root_job(timeout_seconds=3600), "")

    assert left.report.error_class is ErrorClass.NETWORK
    assert "longer than its 3600 s" in left.report.message


def test_azures_time_after_the_last_step_is_not_the_teams(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the definition is for its steps. The gallery may take two hours more."""
    real, limits = Packer.build, list[float]()

    def build(self: Packer, template: str, *, limit: Callable[[], float]) -> PackerRun:
        limits.append(limit())
        ended = real(self, template, limit=limit)
        limits.append(limit())
        return PackerRun(ended=RunEnd.TIMED_OUT, exit_code=ended.exit_code)

    monkeypatch.setattr(Packer, "build", build)
    # What the guest prints for each step, and then Packer for the machine.
    steps = "sh -c 'grep -ho \"imagefactory: step .*[^'\\'']\" steps/*.sh' | sed 's/^/    image: /'"
    left = run(
        samples.root_job(timeout_seconds=3600),
        f'echo "Connected to SSH!"\n{steps}\necho "==> image: Powering off machine ..."\nexit 1',
    )

    assert limits == [3600, 3600 + attempts.AFTER_STEPS["build"].total_seconds()]
    assert left.report.error_class is ErrorClass.NETWORK
    assert left.report.after_steps
    assert "after the last step" in left.report.message.splitlines()[0]


def test_secrets_that_packer_prints_reach_neither_log_nor_report(run: Run) -> None:
    left = run(samples.root_job(), 'echo "header the-identity-header password=hunter22"; exit 1')

    assert "hunter22" not in left.log + left.report.message
    assert "the-identity-header" not in left.log + left.report.message
    assert "[redacted]" in left.report.message


def test_a_fault_of_our_own_is_reported_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: FolderBlobs, container: str, name: str, *, limit: int) -> bytes:
        raise ZeroDivisionError("of our own, with secret: hunter22")

    monkeypatch.setattr(FolderBlobs, "read", read)
    left = run(samples.root_job(), samples.GOOD_BUILD)

    assert left.report.error_class is ErrorClass.TEMPLATE
    assert "ZeroDivisionError" in left.report.message
    assert "hunter22" not in left.report.message + left.log
    assert [event["kind"] for event in left.events.sent] == ["completed"]


def test_a_blob_that_changed_while_it_was_read_is_tried_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: FolderBlobs, container: str, name: str, *, limit: int) -> bytes:
        raise StaleWrite("blob jobs/1.json: 412 ConditionNotMet: m")

    monkeypatch.setattr(FolderBlobs, "read", read)
    left = run(samples.root_job(), samples.GOOD_BUILD)

    assert left.report.error_class is ErrorClass.CONFLICT
    assert left.report.message == "blob jobs/1.json: 412 ConditionNotMet: m"


def _text(event: dict[str, Any]) -> str:
    return BuildEventMessage.model_validate(event).to_wire()
