"""`imagefactory --version`: the release of the package, or that there is none."""

from importlib import metadata

import pytest

from tests.unit.imagefactory.conftest import Run

pytestmark = pytest.mark.process  # the fixture `run` has a factory behind a port


def test_version_is_that_of_the_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"imagefactory": "7.8.9"}.__getitem__)
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, "imagefactory 7.8.9\n")


def test_a_bare_checkout_says_that_nothing_is_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    done = run("--version")
    assert done.exit_code == 0
    assert "imagefactory, not installed: it runs from the checkout " in done.stdout


def test_a_shell_can_complete_the_command(run: Run) -> None:
    done = run("--help")
    assert "--install-completion" in done.stdout
    assert "--show-completion" in done.stdout
