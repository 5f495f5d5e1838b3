"""Who must act on a failed run, and whether it stays: by what failed, and never by what a guest prints."""

from pathlib import Path

import pytest

from builder.packer import failures, mirrors
from builder.packer.command import RunEnd
from builder.packer.progress import PlannedStep
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, ScopeKind
from pipeline_core.wire.report import BuildReport
from tests.unit.builder.packer.test_azure_codes_of_builds import CODES

STATUS = "Script exited with non-zero exit status: {}. Allowed exit codes are: [0]"
TEAMS = PlannedStep(title="step 4 of 9: shell: scripts/install.sh", is_ours=False)
UPDATE = PlannedStep(title="step 1 of 9: platform: platform/before/10-update.sh", is_ours=True)
HYGIENE = PlannedStep(title="step 8 of 9: platform: platform/after/85-hygiene-check.sh", is_ours=True)
LAST = PlannedStep(title="step 9 of 9: platform: platform/after/90-deprovision.sh", is_ours=True)
VERIFY = PlannedStep(title="step 1 of 1: platform: verify", is_ours=True)
CURL = "  - Curl error (28): Timeout was reached for https://rhui.example.com/repodata/repomd.xml"
RHUI_503 = "  - Status code: 503 for https://rhui.example.com/repodata/repomd.xml (IP: 203.0.113.7)"
ALL_TRIED = (
    "Error: Failed to download metadata for repo 'baseos': Cannot download repomd.xml: All mirrors were tried"
)


@pytest.mark.parametrize(
    ("step", "stage", "said", "status", "wanted", "owner"),
    [
        (UPDATE, "build", CURL, 1, ErrorClass.MIRROR, Owner.UPSTREAM),
        (UPDATE, "build", RHUI_503, 1, ErrorClass.MIRROR, Owner.UPSTREAM),
        (UPDATE, "build", "Curl error (6): Could not resolve hostname", 1, ErrorClass.MIRROR, Owner.UPSTREAM),
        (UPDATE, "build", "disk quota exceeded", 1, ErrorClass.PROVISIONER, Owner.PLATFORM),
        (LAST, "build", "waagent: no such command", 1, ErrorClass.PROVISIONER, Owner.PLATFORM),
        (TEAMS, "build", CURL, 1, ErrorClass.MIRROR, Owner.UPSTREAM),
        (TEAMS, "build", "curl: (56) Recv failure: Connection reset", 56, ErrorClass.MIRROR, Owner.UPSTREAM),
        # A team may have mistyped an address, and what is not there stays away.
        (
            TEAMS,
            "build",
            "curl: (6) Could not resolve host: a.example",
            6,
            ErrorClass.PROVISIONER,
            Owner.TEAM,
        ),
        (TEAMS, "build", "returned error: 404", 22, ErrorClass.PROVISIONER, Owner.TEAM),
        (TEAMS, "build", "no such file", 1, ErrorClass.PROVISIONER, Owner.TEAM),
        (TEAMS, "build", "Killed", 137, ErrorClass.PROVISIONER, Owner.TEAM),
        (HYGIENE, "build", "hygiene: /root/.ssh/id_rsa: a private key", 1, ErrorClass.HYGIENE, Owner.TEAM),
        (HYGIENE, "build", "grep: invalid option", 2, ErrorClass.HYGIENE, Owner.PLATFORM),
        (VERIFY, "verify", CURL, 1, ErrorClass.MIRROR, Owner.UPSTREAM),
        (VERIFY, "verify", "verify: oscap ended with 1", 1, ErrorClass.SMOKE, Owner.PLATFORM),
        (VERIFY, "verify", "verify: oscap was killed", 137, ErrorClass.EVICTION, Owner.PLATFORM),
    ],
)
def test_a_failed_step_belongs_to_its_owner(
    step: PlannedStep, stage: str, said: str, status: int, wanted: ErrorClass, owner: Owner
) -> None:
    failure = _of(
        f"{_title(step)}\n    azure-arm.image: {said}\n{ALL_TRIED}\n{_end(status)}", step, stage=stage
    )
    assert (failure.error_class, _owner(failure)) == (wanted, owner)
    assert step.title in failure.message.splitlines()[0]


def test_case_07_is_a_mirror_out_of_reach_with_its_host() -> None:
    """The transcript of the finding, without the plan of the run."""
    text = (
        "    azure-arm.image: imagefactory: step 1 of 8: platform: platform/before/10-update.sh\n"
        f"    azure-arm.image: {CURL}\n    azure-arm.image: {ALL_TRIED}\n{_end(1)}"
    )
    failure = failures.of_build(
        ended=RunEnd.BY_ITSELF, stage="build", connected=True, text=text, tail=text, seconds=3600
    )
    assert failure.error_class is ErrorClass.MIRROR
    assert failure.error_class.is_transient
    assert failure.scope == ErrorScope(kind=ScopeKind.ENDPOINT, name="rhui.example.com")
    assert "rhui.example.com" in failure.message.splitlines()[0]


def test_an_outage_that_a_step_survived_is_not_its_cause() -> None:
    later = "\n".join(f"    azure-arm.image: package {number}" for number in range(40))
    text = f"{_title(UPDATE)}\n    azure-arm.image: {CURL}\n{later}\n{_end(1)}"
    assert _of(text, UPDATE).error_class is ErrorClass.PROVISIONER


def test_a_scanner_killed_for_memory_says_so_and_holds_for_that_size_alone() -> None:
    failure = _of(f"{_title(VERIFY)}\n{_end(137)}", VERIFY, stage="verify")
    first = failure.message.splitlines()[0]
    assert "SIGKILL" in first
    assert "larger build.vmSize" in first
    assert failure.scope == ErrorScope(kind=ScopeKind.SIZE, name="Standard_D2s_v5")
    assert failure.error_class.is_transient


def test_a_title_that_the_teams_step_prints_does_not_make_it_the_platforms() -> None:
    text = f"{_title(TEAMS)}\n{_title(LAST)}\n{_end(1)}"
    assert _owner(_of(text, TEAMS)) is Owner.TEAM


@pytest.mark.parametrize("stderr", ["    ", "==> "])
@pytest.mark.parametrize(
    "said",
    ["AADSTS700016: Application not found", "AllocationFailed: no room", "connection refused", "status 403"],
)
def test_words_of_a_guest_do_not_decide_about_azure(said: str, stderr: str) -> None:
    text = f"{_title(TEAMS)}\n{stderr}azure-arm.image: {said}\nBuild 'azure-arm.image' errored after 1 s: strange"
    failure = _of(text, TEAMS)
    assert (failure.error_class, _owner(failure)) == (ErrorClass.PROVISIONER, Owner.TEAM)
    ended = text.replace(TEAMS.title, LAST.title)
    assert _of(ended, LAST, after_steps=True).error_class is ErrorClass.UNKNOWN


@pytest.mark.parametrize(("code", "said", "wanted"), CODES, ids=[code for code, *_ in CODES])
def test_a_code_of_azure_is_never_the_teams(code: str, said: str, wanted: ErrorClass) -> None:
    text = f"Build 'azure-arm.image' errored after 6 minutes: polling failed: Code: {code} Message: {said}"
    assert _owner(_of(text, None, connected=False)) is not Owner.TEAM
    failure = _of(text, LAST, after_steps=True)
    assert (failure.error_class, _owner(failure) is Owner.TEAM) == (wanted, False)
    assert failure.after_steps


@pytest.mark.parametrize(
    ("connected", "step", "after"), [(False, None, False), (True, LAST, True)], ids=["before", "after"]
)
@pytest.mark.parametrize(
    ("said", "wanted", "owner"),
    [
        ("SomethingNew: that nobody has seen", ErrorClass.UNKNOWN, Owner.PLATFORM),
        ("InvalidParameter: the API version is not valid", ErrorClass.TEMPLATE, Owner.PLATFORM),
        (
            "InvalidParameter: The value Large of parameter vmSize is not valid",
            ErrorClass.TEMPLATE,
            Owner.TEAM,
        ),
    ],
)
def test_what_nobody_knows_is_never_the_teams(
    said: str, wanted: ErrorClass, owner: Owner, connected: bool, step: PlannedStep | None, after: bool
) -> None:
    text = f"Build 'azure-arm.image' errored after 6 minutes: {said}"
    failure = _of(text, step, connected=connected, after_steps=after)
    assert (failure.error_class, _owner(failure)) == (wanted, owner)


@pytest.mark.parametrize(
    ("step", "stage", "after", "wanted", "owner"),
    [
        (TEAMS, "build", False, ErrorClass.PROVISIONER, Owner.TEAM),
        (UPDATE, "build", False, ErrorClass.PROVISIONER, Owner.PLATFORM),
        (VERIFY, "verify", False, ErrorClass.SMOKE, Owner.PLATFORM),
        (LAST, "build", True, ErrorClass.NETWORK, Owner.AZURE),
        (VERIFY, "verify", True, ErrorClass.NETWORK, Owner.AZURE),
    ],
)
def test_the_end_of_the_time_belongs_to_what_ran(
    step: PlannedStep, stage: str, after: bool, wanted: ErrorClass, owner: Owner
) -> None:
    failure = _of(
        "Cancelling build after receiving interrupt",
        step,
        stage=stage,
        after_steps=after,
        ended=RunEnd.TIMED_OUT,
    )
    assert (failure.error_class, _owner(failure), failure.after_steps) == (wanted, owner, after)


@pytest.mark.parametrize(
    ("code", "name"), [(-9, "SIGKILL"), (137, "SIGKILL"), (-15, "SIGTERM"), (139, "SIGSEGV")]
)
def test_a_killed_packer_is_tried_again_and_the_text_names_the_signal(code: int, name: str) -> None:
    failure = _of(_title(TEAMS), TEAMS, exit_code=code)
    assert failure.error_class is ErrorClass.EVICTION
    assert name in failure.message.splitlines()[0]
    assert (
        failures.of_validate(ended=RunEnd.BY_ITSELF, exit_code=code, tail="").error_class
        is ErrorClass.EVICTION
    )


def test_a_template_that_packer_refuses_is_the_factorys() -> None:
    failure = failures.of_validate(ended=RunEnd.BY_ITSELF, exit_code=1, tail="no such key")
    assert (failure.error_class, failure.owner) == (ErrorClass.TEMPLATE, Owner.PLATFORM)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("curl: (7) Failed to connect to repo.example.com port 443", "repo.example.com"),
        ("wget: ERROR 503: Service Unavailable.", ""),
        ("HTTPSConnectionPool(host='pypi.org', port=443): Read timed out.", ""),
        ("Temporary failure in name resolution", ""),
    ],
)
def test_an_outage_names_its_host_where_the_client_does(line: str, host: str) -> None:
    found = mirrors.find(line, is_ours=False)
    assert found is not None
    assert (found.said, found.host) == (line, host)


def test_a_report_without_these_fields_goes_by_its_class(tmp_path: Path) -> None:
    old = {
        "build": "rhel9-base.3fa9c1d20b77.1", "stage": "build", "attempt": 1, "succeeded": False, "packer": "1.16.0",
        "started_at": "2026-11-21T10:00:00Z", "ended_at": "2026-11-21T11:00:00Z", "error_class": "provisioner",
        "message": "it broke",
    }  # fmt: skip
    failure = BuildReport.model_validate(old).failure()
    assert (failure.who, failure.stays, failure.scope) == (Owner.TEAM, True, None)
    nameless = BuildReport.model_validate({**old, "error_class": None, "message": ""}).failure()
    assert nameless.who is Owner.PLATFORM


def _title(step: PlannedStep) -> str:
    return f"    azure-arm.image: imagefactory: {step.title}"


def _end(status: int) -> str:
    return f"Build 'azure-arm.image' errored after 9 minutes: {STATUS.format(status)}"


def _owner(failure: failures.PackerFailure) -> Owner:
    return failure.error_class.owner if failure.owner is None else failure.owner


def _of(
    text: str,
    step: PlannedStep | None,
    *,
    stage: str = "build",
    connected: bool = True,
    after_steps: bool = False,
    exit_code: int = 1,
    ended: RunEnd = RunEnd.BY_ITSELF,
) -> failures.PackerFailure:
    return failures.of_build(
        ended=ended,
        exit_code=exit_code,
        stage=stage,
        connected=connected,
        text=text,
        tail=text,
        seconds=3600,
        vm_size="Standard_D2s_v5",
        step=step,
        after_steps=after_steps,
    )
