"""`imagefactory poison`: what it lists, what it asks for, and that no text of others moves a terminal."""

import json

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, build_view, image_view, poison_view

pytestmark = pytest.mark.process

HELD = {"type": "Stalled", "since": None, "reason": "MessagePoisoned", "message": "a message was poisoned"}


def _keys(run: Run, *options: str) -> list[str]:
    return [record["key"] for record in json.loads(run("poison", "list", "-o", "json", *options).stdout)]


def test_list_shows_what_is_open_over_all_pages(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view(f"k{number}") for number in range(5)]
    factory.poison[1]["state"] = "dismissed"
    assert _keys(run) == ["k0", "k2", "k3", "k4"]
    assert _keys(run, "--state", "dismissed") == ["k1"]
    assert _keys(run, "--state", "all") == ["k0", "k1", "k2", "k3", "k4"]
    assert _keys(run, "--state", "all", "--limit", "3") == ["k0", "k1", "k2"]


def test_the_table_says_what_is_known(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view("k1"), poison_view("k2", is_whole=False, image=None, error="no JSON")]
    shown = run("poison", "list").stdout
    for words in ("2 poisoned messages", "k1", "its handler failed", "no JSON", "payments-api"):
        assert words in shown
    assert "cannot be sent" in shown


def test_requeue_sends_one_again_and_twice_is_refused(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view("k1")]
    done = run("poison", "requeue", "k1")
    assert (done.exit_code, done.stdout) == (0, "k1: sent to build-steps again\n")
    assert factory.asked[-1][:2] == ("POST", "/api/poison/k1/requeue")
    again = run("poison", "requeue", "k1")
    assert again.exit_code == 1
    assert "k1 was requeued by Admin already (409)" in again.stderr


def test_requeue_as_json_is_the_record(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view("k1")]
    assert json.loads(run("poison", "requeue", "k1", "-o", "json").stdout)["state"] == "requeued"


def test_dismiss_puts_one_aside(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view("k1")]
    done = run("poison", "dismiss", "k1")
    assert (done.exit_code, done.stdout) == (0, "k1: dismissed\n")
    assert factory.poison[0]["state"] == "dismissed"
    assert run("poison", "dismiss", "../images").exit_code == 1
    assert factory.asked[-1][:2] == ("DELETE", "/api/poison/..%2Fimages")


@pytest.mark.parametrize("output", ["table", "json"])
def test_hostile_texts_move_no_terminal(run: Run, factory: FakeFactory, output: str) -> None:
    attack = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\u202e"
    factory.poison = [poison_view("k1", text=attack, error=attack, queue=attack, image=attack)]
    shown = run("poison", "list", "-o", output).stdout
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}
    if output == "table":
        assert "[red]" in shown
    requeued = run("poison", "requeue", "k1").stdout
    assert "\x1b" not in requeued


def test_a_long_text_is_cut_in_the_table_only(run: Run, factory: FakeFactory) -> None:
    factory.poison = [poison_view("k1", text="x" * 8_000)]
    assert run("poison", "list").stdout.count("x") < 300
    assert json.loads(run("poison", "list", "-o", "json").stdout)[0]["text"] == "x" * 8_000


def test_conditions_are_shown_with_images_and_builds(run: Run, factory: FakeFactory) -> None:
    build = "payments-api.0123456789ab.1"
    factory.images["payments-api"] = {"etag": '"1"', "view": image_view("payments-api", conditions=[HELD])}
    factory.builds[build] = [build_view(build, conditions=[HELD])]
    for words in (["list"], ["show", "payments-api"], ["builds", "show", build]):
        assert "Stalled: a message was poisoned" in " ".join(run(*words).stdout.split()), words


def test_poison_of_a_factory_that_is_not_named_is_wrong_usage(run: Run) -> None:
    assert run("poison", "list", IMAGEFACTORY_URL="").exit_code == 2
