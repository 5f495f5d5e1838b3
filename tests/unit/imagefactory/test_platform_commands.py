"""`imagefactory platform`: trials on named images, and the plan of a change. What is asked, and what is shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, reply

pytestmark = pytest.mark.process

OLD, NEW, ENDED = "ab" * 32, "cd" * 32, "12" * 32
IN_FORCE: dict[str, Any] = {"bundle": OLD, "catalog": ["falcon"], "trial": None}
TRIAL = {
    "bundle": NEW,
    "catalog": [],
    "since": "2026-11-21T10:00:00Z",
    "by": "user:1111@2222",
    "canaries": [{"image": "rhel9-canary", "state": "tried"}, {"image": "java-canary", "state": "building"}],
}
PLAN: dict[str, Any] = {
    "registered": 9,
    "rebuilt": 7,
    "waves": [1, 4, 2],
    "stale": 2,
    "measured": 7,
    "machine_seconds": 12_840,
    "elapsed_seconds": 5_501,
    "longest_seconds": 2_400,
    "running": 3,
    "resting": {"suspended": 1},
    "without_tool": 1,
    "unreadable": 0,
    "slots": 8,
    "busy": 2,
    "refusals": [{"path": "catalog.entries", "message": "has no 'falcon'", "remedy": "keep the tool"}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "verify.sh").write_text("true\n")
    (tmp_path / "catalog.json").write_text('{"hosts": ["github.com"], "entries": []}')
    return tmp_path


def _asked(factory: FakeFactory) -> list[tuple[str, str]]:
    return [(method, route) for method, route, *_ in factory.asked]


@pytest.mark.parametrize(
    "words",
    [("validate",), ("platform", "register"), ("platform", "register", "--dry-run")],
    ids=["validate", "register", "dry run"],
)
def test_a_guide_that_is_pinned_in_the_old_way_is_refused_before_anything_is_sent(
    run: Run, folder: Path, factory: FakeFactory, words: tuple[str, ...]
) -> None:
    (folder / "platform" / "scap").mkdir()
    (folder / "platform" / "scap" / "settings.json").write_text('{"harden": "cis", "archive": null}')
    done = run(*words, folder)
    said = " ".join(done.output.split())
    assert (done.exit_code, _asked(factory)) == (1, []), said
    assert "scap.archive" in said
    assert "to pin a release of the guide, add its archive to catalog.json" in said


def test_a_dry_run_uploads_nothing_and_shows_the_cost(run: Run, folder: Path, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, PLAN))
    done = run("platform", "register", folder, "--dry-run")
    assert (done.exit_code, _asked(factory)) == (0, [("POST", "/api/platform/plan")]), done.stderr
    assert factory.bundles == {}
    said = " ".join(done.stdout.split())
    for part in (
        "nothing is changed",
        "built again: 7 of 9 images, in 3 waves (1, 4, 2)",
        "of these, 2 are stale without the change too",
        "machine-minutes: 214 ",
        "elapsed: 92, if all 8 slots are for these builds",
        "from: what the recent builds of 7 of these images took, from slot to end, waits included",
        "not built by itself (suspended): 1",
        "1 name a tool that is not in the catalog",
        "3 have a build of these inputs that runs",
        "would be refused now: catalog.entries: has no 'falcon'; keep the tool",
        "meanwhile: the builds go in the security lane, longest chain first; 2 slots are taken now",
        "one that runs ends first (up to 40 minutes)",
        "every fifth start is for a build that has waited for an hour",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("changes", "minutes", "elapsed"),
    [
        ({"measured": 5}, "at least 214 (2 images unknown)", "at least 92 (2 images unknown)"),
        (
            {
                "measured": 0,
                "machine_seconds": None,
                "elapsed_seconds": None,
                "longest_seconds": None,
            },
            "unknown: no recent build of these images was measured",
            "unknown: no recent build of these images was measured",
        ),
        (
            {
                "rebuilt": 0,
                "measured": 0,
                "waves": [],
                "machine_seconds": None,
                "elapsed_seconds": None,
                "longest_seconds": None,
            },
            "0",
            "0",
        ),
    ],
    ids=["some were never measured", "none was", "nothing is built"],
)
def test_a_figure_that_was_never_measured_is_not_guessed(
    changes: dict[str, Any], minutes: str, elapsed: str, run: Run, folder: Path, factory: FakeFactory
) -> None:
    factory.answers.append(reply(200, PLAN | changes))
    said = " ".join(run("platform", "register", folder, "--dry-run").stdout.split())
    assert f"machine-minutes: {minutes} " in said
    assert f"elapsed: {elapsed}, if all" in said


def test_steps_are_tried_on_the_named_images(run: Run, folder: Path, factory: FakeFactory) -> None:
    done = run("platform", "register", folder, "--canary", "rhel9-canary", "--canary", "java-canary")
    assert done.exit_code == 0, done.stderr
    assert factory.platform["canaries"] == ["rhel9-canary", "java-canary"]
    run("platform", "register", folder)
    assert "canaries" not in factory.platform


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--canary", "Not A Name"), "is not a name"),
        (("--canary", "a", "--drop-used"), "--drop-used has no use"),
    ],
)
def test_a_wrong_trial_is_refused_before_any_request(
    words: tuple[str, ...], why: str, run: Run, folder: Path, factory: FakeFactory
) -> None:
    done = run("platform", "register", folder, *words)
    assert (done.exit_code, factory.asked) == (2, [])
    assert why in " ".join(done.stderr.split())


def test_what_is_on_trial_is_shown(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, IN_FORCE | {"trial": TRIAL}))
    said = " ".join(run("platform", "show").stdout.split())
    assert f"in force: platform {OLD}, catalog falcon" in said
    assert f"on trial: platform {NEW}, catalog empty, since 2026-11-21 10:00 UTC" in said
    assert "rhel9-canary: tried java-canary: building" in said


@pytest.mark.parametrize(
    ("words", "route", "body"),
    [
        (("promote",), "/api/platform/promote", {"bundle": NEW, "drop_used": False, "untried": False}),
        (
            ("promote", "--untried", "--drop-used"),
            "/api/platform/promote",
            {"bundle": NEW, "drop_used": True, "untried": True},
        ),
        (
            ("promote", "--over-newer", "--bundle", NEW[:8]),
            "/api/platform/promote",
            {"bundle": NEW, "drop_used": False, "untried": False, "over_newer": True},
        ),
        (("end-trial",), "/api/platform/end-trial", {"bundle": NEW}),
        (("end-trial", "--bundle", NEW), "/api/platform/end-trial", {"bundle": NEW}),
    ],
    ids=["promote", "promote untried", "promote over newer steps", "end", "end by its bundle"],
)
def test_a_decision_names_the_bundle_that_is_on_trial(
    words: tuple[str, ...], route: str, body: dict[str, Any], run: Run, factory: FakeFactory
) -> None:
    factory.answers += [reply(200, IN_FORCE | {"trial": TRIAL}), reply(200, IN_FORCE)]
    done = run("platform", *words, "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, IN_FORCE), done.stderr
    assert _asked(factory) == [("GET", "/api/platform"), ("POST", route)]
    assert factory.bodies == [body]


@pytest.mark.parametrize("word", ["promote", "end-trial"])
def test_without_a_trial_nothing_is_decided(word: str, run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, IN_FORCE))
    done = run("platform", word)
    assert (done.exit_code, _asked(factory)) == (1, [("GET", "/api/platform")])
    assert "no platform steps are on trial" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("word", "bundle", "route"),
    [("promote", OLD, "/api/platform/promote"), ("end-trial", ENDED, "/api/platform/end-trial")],
)
@pytest.mark.parametrize("trial", [None, TRIAL], ids=["nothing is on trial", "another trial runs"])
def test_a_decision_is_repeated_after_a_lost_answer(
    trial: object, word: str, bundle: str, route: str, run: Run, factory: FakeFactory
) -> None:
    shown = IN_FORCE | {"trial": trial, "given_up": [ENDED]}
    factory.answers += [reply(200, shown), reply(200, shown)]
    done = run("platform", word, "--bundle", bundle[:12])
    assert (done.exit_code, _asked(factory)) == (0, [("GET", "/api/platform"), ("POST", route)]), done.stderr
    assert factory.bodies[0]["bundle"] == bundle


@pytest.mark.parametrize("word", ["promote", "end-trial"])
@pytest.mark.parametrize(
    ("bundle", "code", "why", "requests"),
    [
        ("77" * 4, 1, f"starts with {'77' * 4} is on trial or", 1),
        (NEW[:7], 2, "is not a digest", 0),
        ("NOT-A-DIGEST", 2, "is not a digest", 0),
    ],
    ids=["another bundle", "too short", "no digest"],
)
def test_a_decision_about_another_bundle_is_refused(
    bundle: str, code: int, why: str, requests: int, word: str, run: Run, factory: FakeFactory
) -> None:
    factory.answers.append(reply(200, IN_FORCE | {"trial": TRIAL}))
    done = run("platform", word, "--bundle", bundle)
    assert (done.exit_code, len(factory.asked)) == (code, requests), done.stderr
    assert why in " ".join(done.stderr.split())


def test_the_start_of_two_bundles_decides_nothing(run: Run, factory: FakeFactory) -> None:
    twin = NEW[:12] + "0" * 52
    factory.answers.append(reply(200, IN_FORCE | {"trial": TRIAL, "given_up": [twin]}))
    done = run("platform", "end-trial", "--bundle", NEW[:12])
    assert (done.exit_code, len(factory.asked)) == (1, 1)
    assert "give more of the digest" in " ".join(done.stderr.split())
