"""What is kept of a build: the list, the chain of digests, and files that are missing, changed or huge."""

import hashlib
from dataclasses import replace

import pytest

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import ErrorClass, InvalidValue, NotFound, PermanentError
from pipeline_core.domain.names import BuildId
from pipeline_core.services.views import evidence
from pipeline_core.services.views.evidence import Evidence, Place
from pipeline_core.services.views.views import EvidenceFile
from pipeline_core.state import images as records
from pipeline_core.wire.report import ReportedEvidence
from simulation.world import SimulatedWorld
from tests.unit.services import kept, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE

VERIFY = Place(stage="verify", attempt=1)
FILES = {"packages.json": b"[]", "goss.json": b"{}"}


@pytest.fixture
def made() -> SimulatedWorld:
    return scenes.settled({"rhel9-base": None})


@pytest.fixture
def build(made: SimulatedWorld) -> Build:
    (found,) = scenes.builds(made, BASE)
    return found


def files_of(made: SimulatedWorld) -> Evidence:
    return made.factory.evidence


def row(file: EvidenceFile) -> tuple[str, str, bool]:
    return f"{file.stage}-{file.attempt}", file.name, file.is_last


def test_every_file_of_every_attempt_is_listed_and_earlier_ones_are_marked(
    made: SimulatedWorld, build: Build
) -> None:
    kept.keep(made, build, {}, place="build-1", succeeded=False)
    kept.keep(made, build, {"manifest.json": b"{}"}, place="build-2")
    kept.keep(made, build, {"goss.json": b"{}"}, place="verify-1", succeeded=False)
    kept.keep(made, build, FILES, place="verify-10")
    shown = files_of(made).show(build.id)
    assert shown.problems == ()
    assert [row(file) for file in shown.files] == [
        ("build-1", "result.json", False),
        ("build-1", "log.txt", False),
        ("build-2", "manifest.json", True),
        ("build-2", "result.json", True),
        ("verify-1", "goss.json", False),
        ("verify-1", "result.json", False),
        ("verify-1", "log.txt", False),
        ("verify-10", "goss.json", True),
        ("verify-10", "packages.json", True),
        ("verify-10", "result.json", True),
    ]
    by_place = {row(file)[:2]: file for file in shown.files}
    packages = by_place["verify-10", "packages.json"]
    assert (packages.size, packages.media_type) == (2, "application/json")
    assert packages.sha256 == hashlib.sha256(b"[]").hexdigest()
    assert by_place["verify-1", "log.txt"].sha256 is None
    assert (shown.image, shown.version) == ("rhel9-base", str(build.version))
    assert [(gate.gate, gate.passed) for gate in shown.gates] == [
        (verdict.gate, verdict.passed) for verdict in build.verdicts
    ]


def test_a_report_that_cannot_be_read_is_reported_and_the_rest_is_listed(
    made: SimulatedWorld, build: Build
) -> None:
    kept.overwrite(made, build, "verify-1/result.json", b"no report")
    shown = files_of(made).show(build.id)
    assert ("verify-1", "log.txt", True) in [row(file) for file in shown.files]
    assert ("verify-1", "result.json", True) not in [row(file) for file in shown.files]
    (problem,) = shown.problems
    assert "verify-1/result.json: the content is not a BuildReport" in problem


def test_an_attempt_without_a_report_has_its_log(made: SimulatedWorld, build: Build) -> None:
    made.ports.blobs.append("builds", f"{build.id}/verify-2/log.txt", b"evicted\n")
    assert ("verify-2", "log.txt", True) in [row(file) for file in files_of(made).show(build.id).files]


def test_names_that_are_no_attempts_are_left_out(made: SimulatedWorld, build: Build) -> None:
    for name in ("verify-0/log.txt", "other-1/log.txt", "verify-1/x/log.txt", "verify-99999/log.txt"):
        made.ports.blobs.append("builds", f"{build.id}/{name}", b"x")
    assert {row(file)[0] for file in files_of(made).show(build.id).files} == {"build-1", "verify-1"}


def test_a_file_is_given_away_when_its_digest_holds(made: SimulatedWorld, build: Build) -> None:
    kept.keep(made, build, FILES)
    found = files_of(made).read(build.id, VERIFY, "goss.json")
    assert (found.content, found.media_type) == (b"{}", "application/json")
    assert found.sha256 == hashlib.sha256(b"{}").hexdigest()


def test_logs_and_reports_are_files_too(made: SimulatedWorld, build: Build) -> None:
    log = files_of(made).read(build.id, VERIFY, "log.txt")
    assert (log.content[:9], log.media_type, log.sha256) == (b"building\n", "text/plain", None)
    told = files_of(made).read(build.id, VERIFY, "result.json")
    assert hashlib.sha256(told.content).hexdigest() == told.sha256 == str(build.verify_result)


@pytest.mark.parametrize(
    "content", [b"{} ", b"[]", b"", b"x" * 1000], ids=["longer", "same size", "empty", "huge"]
)
def test_a_file_that_was_changed_is_never_given_away(
    made: SimulatedWorld, build: Build, content: bytes
) -> None:
    kept.keep(made, build, FILES)
    kept.overwrite(made, build, "verify-1/goss.json", content)
    with pytest.raises(PermanentError, match="is not the reported file") as refused:
        files_of(made).read(build.id, VERIFY, "goss.json")
    assert refused.value.error_class is ErrorClass.CONFLICT
    assert scenes.logged(made, "evidence-changed", build_id=str(build.id), place="verify-1", file="goss.json")


def test_a_report_that_was_changed_after_it_was_judged_proves_nothing(
    made: SimulatedWorld, build: Build
) -> None:
    told = kept.keep(made, build, FILES)
    forged = b"forged"
    entry = ReportedEvidence(
        name="goss.json",
        sha256=hashlib.sha256(forged).hexdigest(),
        size=len(forged),
        media_type="application/json",
    )
    kept.overwrite(made, build, "verify-1/goss.json", forged)
    kept.overwrite(
        made, build, "verify-1/result.json", told.model_copy(update={"evidence": (entry,)}).to_wire()
    )
    for name in ("goss.json", "result.json"):
        with pytest.raises(PermanentError, match=r"result\.json of verify-1 .* digest differs"):
            files_of(made).read(build.id, VERIFY, name)
    shown = files_of(made).show(build.id)
    assert [row(file)[1] for file in shown.files if file.stage == "verify"] == ["log.txt"]
    assert len(shown.problems) == 1


def test_the_report_of_an_older_builder_is_known_by_what_it_says(made: SimulatedWorld, build: Build) -> None:
    """It lacks fields that were added since; the driver had digested what it read, not what was stored."""
    told = kept.keep(made, build, FILES)
    kept.overwrite(made, build, "verify-1/result.json", told.model_dump_json(exclude_unset=True).encode())
    assert files_of(made).read(build.id, VERIFY, "goss.json").content == b"{}"


@pytest.mark.parametrize(
    "name", ["nothing.json", "../verify-1/result.json", "started.json", "goss.json/../x", "", "GOSS.JSON"]
)
def test_only_what_the_report_names_is_read(made: SimulatedWorld, build: Build, name: str) -> None:
    kept.keep(made, build, FILES)
    with pytest.raises(NotFound, match="kept no"):
        files_of(made).read(build.id, VERIFY, name)


def test_a_file_that_is_reported_and_gone_is_not_found(made: SimulatedWorld, build: Build) -> None:
    told = kept.report(build, "verify-1", FILES)
    kept.overwrite(made, build, "verify-1/result.json", told.to_wire())
    kept.seal(made, build, told)
    with pytest.raises(NotFound, match=r"goss\.json of verify-1 of build .* is not stored"):
        files_of(made).read(build.id, VERIFY, "goss.json")


def test_an_attempt_that_never_was_is_not_found(made: SimulatedWorld, build: Build) -> None:
    with pytest.raises(NotFound, match="verify-7"):
        files_of(made).read(build.id, Place(stage="verify", attempt=7), "goss.json")
    other = BuildId("rhel9-base.000000000000.1")
    for ask in (
        lambda: files_of(made).show(other),
        lambda: files_of(made).read(other, VERIFY, "goss.json"),
    ):
        with pytest.raises(NotFound, match="there is no build"):
            ask()


def test_a_file_over_the_limit_is_refused_unread(made: SimulatedWorld, build: Build) -> None:
    told = kept.report(build, "verify-1", FILES)
    (goss,) = [each for each in told.evidence if each.name == "goss.json"]
    huge = told.model_copy(update={"evidence": (goss.model_copy(update={"size": evidence.FILE_LIMIT + 1}),)})
    kept.overwrite(made, build, "verify-1/result.json", huge.to_wire())
    kept.seal(made, build, huge)
    with pytest.raises(PermanentError, match="take it from the container") as refused:
        files_of(made).read(build.id, VERIFY, "goss.json")
    assert refused.value.error_class is ErrorClass.POLICY


def test_an_odd_media_type_becomes_bytes(made: SimulatedWorld, build: Build) -> None:
    told = kept.report(build, "verify-1", FILES)
    odd = tuple(each.model_copy(update={"media_type": "text/html\r\nX-Own: 1"}) for each in told.evidence)
    report = told.model_copy(update={"evidence": odd})
    kept.keep(made, build, FILES)
    kept.overwrite(made, build, "verify-1/result.json", report.to_wire())
    kept.seal(made, build, report)
    found = files_of(made).read(build.id, VERIFY, "goss.json")
    assert found.media_type == "application/octet-stream"


def test_a_build_that_waits_has_nothing() -> None:
    waiting = scenes.registered({"rhel9-base": None})
    scenes.look(waiting, BASE)
    (pending,) = scenes.builds(waiting, BASE)
    shown = files_of(waiting).show(pending.id)
    assert (shown.version, shown.files, shown.gates, shown.problems) == (None, (), (), ())


@pytest.mark.parametrize("text", ["verify-1", "build-12"])
def test_a_place_is_read_back_as_it_is_written(text: str) -> None:
    assert str(Place.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "verify", "verify-", "verify-0", "verify-01", "x-1", "verify-1/", "verify-12345", "verify-１"],
)
def test_what_names_no_attempt_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="verify-1"):
        Place.parse(text)


def test_an_attempt_that_was_made_again_for_a_new_policy_is_not_changed_evidence() -> None:
    made = scenes.registered({"rhel9-base": None})
    begun = scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.step(made, begun)  # the scan is being made
    policies.put(made, compliance={"profile": "stig"})
    made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.verify_attempt == 2
    shown = files_of(made).show(build.id)
    assert shown.problems == ()
    reports = [row(file)[0] for file in shown.files if file.name == "result.json"]
    assert reports == ["build-1", "verify-1", "verify-2"]
    place, report = files_of(made).verified(build)
    assert (str(place), report.attempt) == ("verify-2", 2)
    kept.overwrite(made, build, "verify-2/result.json", report.model_copy(update={"packer": "x"}).to_wire())
    assert len(files_of(made).show(build.id).problems) == 1


def test_an_attempt_behind_the_one_that_was_judged_is_never_taken_for_it(
    made: SimulatedWorld, build: Build
) -> None:
    kept.keep(made, build, FILES)
    forged = kept.report(build, "verify-2", {"goss.json": b"forged"})
    kept.overwrite(made, build, "verify-2/goss.json", b"forged")
    kept.overwrite(made, build, "verify-2/result.json", forged.to_wire())
    (found,) = scenes.builds(made, BASE)
    place, report = files_of(made).verified(found)
    assert (str(place), len(report.evidence)) == ("verify-1", 2)


def test_a_row_that_does_not_tell_which_attempt_counted_holds_every_report_to_the_judged_one(
    made: SimulatedWorld, build: Build
) -> None:
    kept.keep(made, build, FILES)
    stored = scenes.stored(made, build.id)
    older = records.put_build(replace(stored.value, verify_attempt=0), etag=stored.etag)
    scenes.images(made).commit([older])
    place, _ = files_of(made).verified(scenes.stored(made, build.id).value)
    assert str(place) == "verify-1"
    kept.overwrite(made, build, "verify-2/result.json", kept.report(build, "verify-2", {}).to_wire())
    (problem,) = files_of(made).show(build.id).problems
    assert "result.json of verify-2" in problem


def test_the_report_of_another_attempt_or_build_is_not_believed_in_this_place(
    made: SimulatedWorld, build: Build
) -> None:
    failed = kept.report(build, "verify-3", {}, succeeded=False)
    stranger = failed.model_copy(update={"build": "rhel9-base.000000000000.1"})
    for place, told in (
        ("verify-2", kept.report(build, "verify-1", {}, succeeded=False)),
        ("verify-3", stranger),
    ):
        kept.overwrite(made, build, f"{place}/result.json", told.to_wire())
        with pytest.raises(PermanentError, match="is not the reported file"):
            files_of(made).read(build.id, Place.parse(place), "result.json")
