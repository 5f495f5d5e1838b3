"""What outages must not do can fail: the world is broken by hand, and the violation is named."""

import hashlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import GroupState, NewContainerGroup, Row, TableWrite, WriteKind
from pipeline_core.services.policies.policy import etag_of
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from simulation import sabotage, world
from simulation.chapters.outages import AzureOutages
from simulation.faults import Faults, Kind
from simulation.trouble import causes
from simulation.trouble.harm import Harm, probes
from simulation.trouble.outages import CREATION, SimulatedOutage
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.simulation.broken import BASE, FIRST, JAVA, find, rested, rewrite, told

HOUR = timedelta(hours=1)
_NEVER_BEGINS = 5  # a seed whose first silent container never begins


def _build(made: SimulatedWorld) -> str:
    return next(build.id for build in made.safety.builds.values() if build.image == str(BASE))


def _outage(made: SimulatedWorld) -> SimulatedOutage:
    now = made.ports.clock.now()
    outage = SimulatedOutage(since=now, until=now + HOUR)
    made.platform.outages.known.append(outage)
    return outage


def _block(made: SimulatedWorld, harm: Harm) -> None:
    row = find(made, "images", str(BASE), "claim:")
    rewrite(made, "images", row, '"outcome":"succeeded"', '"outcome":"failed"', key=f"{row.key}0")
    written = find(made, "images", str(BASE), f"{row.key}0")
    harm.watch("tables.write", ("images", [_insert(written)]))


def _open_breaker(made: SimulatedWorld, harm: Harm) -> None:
    row = find(made, "images", str(BASE), "head")
    text = str(row.cells["value"])
    assert '"breaker":null' in text
    opened = replace(row, cells={**row.cells, "value": text.replace('"breaker":null', '"breaker":{}')})
    harm.watch("tables.write", ("images", [_insert(opened)]))


def _build_again(made: SimulatedWorld, harm: Harm) -> None:
    name = _build(made)
    made.platform.team_failed[name] = ""
    made.safety.builds[name] = replace(made.safety.builds[name], result="failed")
    for facts in made.ports.blobs.list("jobs", ""):
        digest = facts.name.removesuffix(".json")
        job = BuildJob.from_wire(made.ports.blobs.read("jobs", facts.name, limit=JOB_LIMIT), digest=digest)
        if job.build == name:
            harm.watch(CREATION, (NewContainerGroup(name="again", environment={"IF_JOB": digest}, tags={}),))


def _fail(made: SimulatedWorld, harm: Harm, check: str) -> str:
    """The build of the base has failed by this check, and Harm has seen its row."""
    name = _build(made)
    made.platform.team_failed[name] = check
    made.safety.builds[name] = replace(made.safety.builds[name], result="failed")
    harm.watch("tables.write", ("images", [_insert(find(made, "images", str(BASE), f"build:{name}"))]))
    return name


def _fail_to_build(made: SimulatedWorld, error_class: str) -> None:
    """Each build of an edit of the base reports a failure of this class, for a day."""
    made.platform.failing = {(str(BASE), "build"): error_class}
    made.register(str(BASE), None, text="poor")
    made.run_until(made.ports.clock.now() + 24 * HOUR)


def _input(build: str) -> str:
    return build.rpartition(".")[0]


def _renew(made: SimulatedWorld, harm: Harm, failed: str) -> list[str]:
    """The same input is planned and started again. Returns what is said against that."""
    known = made.safety.builds[failed]
    again = f"{failed.rpartition('.')[0]}.{known.generation + 1}"
    row = find(made, "images", str(BASE), f"build:{failed}")
    text = str(row.cells["value"]).replace(failed, again).replace('"finished"', '"pending"')
    planned = replace(row, key=f"build:{again}", cells={**row.cells, "value": text})
    made.safety.builds[again] = replace(known, id=again, generation=known.generation + 1, result=None)
    harm.watch("tables.write", ("images", [_insert(planned)]))
    for facts in made.ports.blobs.list("jobs", ""):
        content = made.ports.blobs.read("jobs", facts.name, limit=JOB_LIMIT)
        job = BuildJob.from_wire(content, digest=facts.name.removesuffix(".json"))
        if (job.build, job.stage) == (failed, "build"):
            wanted = job.model_copy(update={"build": again}).to_wire()
            digest = hashlib.sha256(wanted).hexdigest()
            made.ports.blobs.create("jobs", f"{digest}.json", wanted, media_type="application/json")
            harm.watch(CREATION, (NewContainerGroup(name="again", environment={"IF_JOB": digest}, tags={}),))
    return [line for line in made.findings if line.startswith("(25)")]


def _demand(made: SimulatedWorld, harm: Harm, score: int, severity: str = "high") -> None:
    """SecOps put this floor in force, and an hour passes."""
    compliance = {"profile": "cis_server_l1", "minScore": score, "alwaysFail": [severity], "ratchet": 0}
    document = {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": {"compliance": compliance}}
    stored = made.base.records.policies.find_current()
    expected = None if stored is None else etag_of(stored.value)
    made.factory.policy.put(document, ADMIN, expected=expected, create_only=stored is None)
    row = find(made, "index", "policy", "current")
    harm.watch("tables.write", ("index", [TableWrite(verb=WriteKind.REPLACE, row=row)]))
    made.ports.clock.advance(HOUR)


def _alert(made: SimulatedWorld, harm: Harm) -> None:
    """The journal of the base says that its build opened a breaker."""
    row = find(made, "images", str(BASE), "entry:")
    said = json.loads(str(row.cells["value"]))
    said |= {
        "event": "platform.breaker-opened",
        "detail": "network in region:west since 10:00 UTC: no answer",
    }
    said["build"] = {"value": _build(made)}
    opened = replace(row, cells={**row.cells, "value": json.dumps(said)})
    harm.watch("tables.write", ("images", [_insert(opened)]))


def _alert_twice(made: SimulatedWorld, harm: Harm) -> None:
    _outage(made).strike(_build(made))
    _alert(made, harm)
    _alert(made, harm)


def _hurt_many(made: SimulatedWorld, harm: Harm) -> None:
    outage = _outage(made)
    for number in range(20):
        name = f"rhel9-base.97a3d98113c8.{number}"
        made.safety.builds[name] = replace(made.safety.builds[_build(made)], id=name, result="failed")
        outage.strike(name)


def _ask_in_a_wait(made: SimulatedWorld, harm: Harm) -> None:
    """Azure refuses one call eight times in a quarter of an hour, and asks for an hour each time."""
    outage = _outage(made)
    outage.calls = frozenset({"galleries.begin_copy"})
    outage.refusal = lambda: TransientError(ErrorClass.NETWORK, "refused", retry_after=HOUR)
    for _ in range(8):
        with pytest.raises(TransientError, match="refused"):
            made.platform.outages.refuse("galleries.begin_copy", (made.live[0], str(BASE)))
        made.ports.clock.advance(HOUR / 30)


def _ask_a_person(made: SimulatedWorld, harm: Harm) -> None:
    assert not harm.is_for_people(str(BASE))


def _insert(row: Row) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=row)


CASES: dict[str, tuple[Callable[[SimulatedWorld, Harm], None], str]] = {
    "an input is blocked that did not fail": (_block, r"\(24\) rhel9-base\..* is blocked for good"),
    "a breaker opens without failures": (_open_breaker, r"\(24\) the breaker of rhel9-base is open, and 0"),
    "a person is needed for the platform": (_ask_a_person, r"\(24\) rhel9-base waits for a person"),
    "what failed for good is built again": (_build_again, r"\(25\) rhel9-base\..* is started again"),
    "an outage has two alerts": (_alert_twice, r"\(26\) 2 alerts about network in region:west "),
    "a call is repeated in its wait": (
        _ask_in_a_wait,
        r"\(44\) outage .* was asked 7 times again before 21 ",
    ),
    "an outage hurts too many": (_hurt_many, r"\(27\) outage .* hurt 20 builds, 14 are its bound"),
}


def test_a_version_that_people_took_away_is_for_people_until_they_give_it_back() -> None:
    made = rested()
    harm, version = Harm(world=made), (str(BASE), str(FIRST))
    made.safety.take_away(version)
    assert harm.is_for_people(str(BASE))
    assert not harm.is_for_people(str(JAVA)), "its version is another one"
    made.safety.give_back(version)
    assert not harm.is_for_people(str(BASE))


def test_a_version_of_an_input_that_nobody_wants_now_is_for_nobody() -> None:
    made = rested()
    made.safety.take_away((str(JAVA), str(FIRST)))
    made.register(str(JAVA), str(BASE), text="edited")
    assert not Harm(world=made).is_for_people(str(JAVA))


@pytest.mark.parametrize("name", CASES)
def test_what_an_outage_must_not_do_is_named(name: str) -> None:
    breaks, named = CASES[name]
    made = rested()
    harm = Harm(world=made)
    breaks(made, harm)
    found = [*made.findings, *harm.violations()]
    assert any(re.match(named, line) for line in found), found


@pytest.mark.parametrize(("check", "is_renewed"), [("hygiene", True), ("hygiene-check", True), ("", False)])
def test_an_input_that_failed_a_check_is_built_again_where_its_team_asks_for_another(
    check: str, is_renewed: bool
) -> None:
    made = rested()
    harm = Harm(world=made)
    failed = _fail(made, harm, check)
    made.register(str(BASE), None, verify={"goss": "scripts/install.sh"})
    assert (_renew(made, harm, failed) == []) is is_renewed


@pytest.mark.parametrize("check", ["compliance", "hygiene-check"])
def test_an_input_that_failed_a_check_is_not_built_again_to_the_same_check(check: str) -> None:
    made = rested()
    harm = Harm(world=made)
    failed = _fail(made, harm, check)
    assert _renew(made, harm, failed)


@pytest.mark.parametrize(("error_class", "check"), [("hygiene", "hygiene-check"), ("provisioner", "")])
def test_the_check_that_ends_the_build_stage_is_a_check(error_class: str, check: str) -> None:
    made, _ = told(AzureOutages, seed=1)
    _fail_to_build(made, error_class)
    [failed] = made.platform.team_failed
    assert made.platform.team_failed[failed] == check
    made.register(str(BASE), None, text="poor", verify={"goss": "scripts/install.sh"})
    made.settle()
    again = [build.id for build in made.safety.builds.values() if _input(build.id) == _input(failed)]
    assert len(again) == (2 if check else 1)
    assert made.findings == []


def test_what_the_check_at_the_end_of_the_build_refused_is_not_built_again_by_itself() -> None:
    made, _ = told(AzureOutages, seed=1)
    with sabotage.ALL["permanent-is-not-built-again"].patch():
        _fail_to_build(made, "hygiene")
    assert any(re.match(r"\(25\) rhel9-base\..* is started again", line) for line in made.findings)


@pytest.mark.parametrize(
    ("check", "floor", "is_renewed"),
    [
        ("compliance", (60, "medium"), True),
        ("compliance", (80, "high"), True),
        ("compliance", (80, "medium"), False),
        ("compliance", (90, "medium"), False),
        ("hygiene", (60, "medium"), False),
        ("hygiene-check", (60, "high"), False),
        ("", (60, "high"), False),
    ],
)
def test_a_lower_floor_lets_an_input_try_again_that_failed_by_it(
    check: str, floor: tuple[int, str], is_renewed: bool
) -> None:
    made = rested()
    harm = Harm(world=made)
    _demand(made, harm, 80, "medium")
    failed = _fail(made, harm, check)
    made.ports.clock.advance(HOUR)
    _demand(made, harm, *floor)
    assert (_renew(made, harm, failed) == []) is is_renewed


def test_builds_that_ended_otherwise_leave_the_count_of_failures_as_it_is() -> None:
    made = rested()
    harm = Harm(world=made)
    known = made.safety.builds[_build(made)]
    for number, result in enumerate(("failed", "withdrawn", "failed", "cancelled", "failed"), start=2):
        name = f"{known.image}.97a3d98113c8.{number}"
        made.safety.builds[name] = replace(known, id=name, result=result)
        made.platform.team_failed[name] = "hygiene"
    _open_breaker(made, harm)
    assert harm.failures_in_a_row(str(BASE)) == 3
    assert made.findings == []


@pytest.mark.parametrize(("before", "after", "is_named"), [(1, 1, False), (2, 0, True), (0, 2, True)])
def test_an_outage_is_alerted_once_more_only_where_all_tables_were_lost(
    before: int, after: int, is_named: bool
) -> None:
    made = rested()
    harm = Harm(world=made)
    _outage(made).strike(_build(made))
    for _ in range(before):
        _alert(made, harm)
    harm.forget()
    for _ in range(after):
        _alert(made, harm)
    assert [line.startswith("(26) 2 alerts") for line in harm.violations()] == [True] * is_named


@pytest.mark.parametrize(("struck", "is_named"), [("", False), ("build", True), ("image", True)])
def test_alerts_are_of_the_outage_that_struck_what_raised_them(struck: str, is_named: bool) -> None:
    made = rested()
    harm, outage = Harm(world=made), _outage(made)
    outage.strike({"build": _build(made), "image": str(BASE)}.get(struck, "another-image"))
    _alert(made, harm)
    _alert(made, harm)
    assert [line.startswith("(26) 2 alerts") for line in harm.violations()] == [True] * is_named


def test_probes_come_at_growing_intervals() -> None:
    def count(lasts: timedelta) -> int:
        made = SimulatedOutage(since=rested_at, until=rested_at + lasts)
        return probes(made)

    rested_at = rested().ports.clock.now()
    assert [count(minutes * HOUR / 60) for minutes in (0, 1, 3, 31, 61, 361)] == [0, 1, 2, 5, 6, 16]


def test_an_outage_refuses_only_what_is_in_its_scope() -> None:
    made = rested()
    outage = _outage(made)
    outage.calls = frozenset({"galleries.set_excluded"})
    outage.refusal = lambda: PermanentError(ErrorClass.AZURE_POLICY, "refused")
    outage.images = frozenset({"another"})
    given = (made.live[0], BASE)
    made.platform.outages.refuse("galleries.set_excluded", given)
    outage.images = None
    made.platform.outages.refuse("galleries.begin_copy", given)
    with pytest.raises(PermanentError, match="refused"):
        made.platform.outages.refuse("galleries.set_excluded", given)
    made.ports.clock.advance(HOUR)
    made.platform.outages.refuse("galleries.set_excluded", given)
    assert outage.struck == {str(BASE): 1}


def test_every_class_that_a_builder_can_report_is_drawn() -> None:
    chance = random.Random("causes")
    drawn = [causes.report_of_platform(chance, "") for _ in range(2000)]
    assert {each.error_class for each in drawn} >= {each.value for each in ErrorClass} - {"provenance"}
    assert not any(each.is_of_input for each in drawn)


def test_a_container_that_runs_when_an_outage_takes_all_counts_as_struck() -> None:
    made = world.make(seed=1)
    made.register(str(BASE), None)
    made.run_until(made.ports.clock.now() + timedelta(minutes=3))
    assert made.ports.containers.names()
    assert _lost_by_outage(made) == [_build(made)]


def test_a_container_that_was_lost_before_an_outage_is_not_struck_by_it() -> None:
    """Its build may fail long before the outage, which then hurts more builds than it can reach."""
    made = world.make(seed=_NEVER_BEGINS, faults=Faults(silent=1.0))
    made.register(str(BASE), None)
    made.run_until(made.ports.clock.now() + timedelta(minutes=3))
    [group] = made.ports.containers.names()
    found = made.ports.containers.find_group(group)
    assert found is not None
    assert found.state is GroupState.STARTING
    assert _lost_by_outage(made) == []


def test_a_container_that_was_deleted_before_an_outage_is_not_struck_by_it() -> None:
    made = world.make(seed=1)
    made.register(str(BASE), None)
    made.run_until(made.ports.clock.now() + timedelta(minutes=3))
    [group] = made.ports.containers.names()
    made.ports.containers.delete_group(group)
    assert made.ports.containers.find_group(group) is None
    assert _lost_by_outage(made) == []


def _lost_by_outage(made: SimulatedWorld) -> list[str]:
    """The builds of which an outage takes the containers that run now."""
    outage = _outage(made)
    outage.fault = Kind.SILENT
    made.platform.lose(outage)
    return list(outage.struck)
