"""Each runbook, command by command, against a running emulated factory; what it prints is what the page shows."""

import time

import pytest

from local.run import demonstration
from local.run.stack import CHECKOUT
from tests import optional_tools
from tests.runbooks import happenings, pages
from tests.runbooks.factory import ServingFactory
from tests.runbooks.output import Versions, difference
from tests.runbooks.pages import Command, Happening, Page
from tests.runbooks.shell import Shell

# One factory for all. A page that needs a history makes it by a happening, so that it can be run alone.
# `raised-benchmark` and `revoke` are the last, because they add an image, which no other page shows. `lost-state` comes
# before `quarter-refresh`, which builds everything again: a page behind it reads the builds of images.
ORDER = (
    "release",
    "provision",
    "emergency-fix",
    "rollback",
    "rotate",
    "stuck-build",
    "lost-state",
    "quarter-refresh",
    "raised-benchmark",
    "revoke",
)
_LIMIT = 400.0  # seconds for one command; most need one second, and some wait for builds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_every_runbook_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == list(pages.names())


def test_the_factory_has_the_catalog_of_a_demonstration_and_not_the_shipped_one(
    served: ServingFactory,
) -> None:
    with Shell(served.desk, served.environment) as shell:
        printed, status = shell.run(f"imagefactory platform register '{CHECKOUT}/images'", _LIMIT)
    assert status == 1, printed
    assert f"has no '{demonstration.AGENT['id']}', which {demonstration.BASE}" in printed


@pytest.mark.parametrize("name", ORDER)
def test_the_commands_of_a_runbook_do_what_it_shows(name: str, served: ServingFactory) -> None:
    follow(pages.read(name), served, slow=False)


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["rotate"])
def test_what_takes_minutes_does_what_it_shows_too(name: str, served: ServingFactory) -> None:
    page = pages.read(name)
    assert any(isinstance(step, Command) and step.is_slow for step in page.steps)
    follow(page, served, slow=True)


def follow(page: Page, served: ServingFactory, *, slow: bool) -> None:
    """Do what the page says, from its first command to its last."""
    optional_tools.require("jq", "the runbooks read JSON with it")
    served.put_right()
    began, versions = time.monotonic(), Versions()
    with Shell(served.desk, served.environment) as shell:
        for step in page.steps:
            if isinstance(step, Happening):
                happenings.BY_NAME[step.name](served)
            elif not step.needs_azure and (slow or not step.is_slow):
                printed, status = shell.run(versions.put_into(step.text), _LIMIT)
                told = f"docs/runbooks/{page.name}.md, line {step.line}: {step.text}\n{printed}\n"
                assert (status != 0) is step.fails, f"{told}it ended with {status}"
                why = difference(step.shown, printed, versions, step.text)
                assert why == "", f"{told}{why}"
    served.wait_until_quiet()
    print(f"{page.name}: {time.monotonic() - began:.1f} s")
