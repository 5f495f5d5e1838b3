"""The locks are installed by old and new pips, from an index that has newer releases of everything locked.

The index is on this machine and holds empty wheels (`tiny_index`); the installing script is the one that set-up runs.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.setup import lock, pips, tiny_index
from tests.setup.pips import FreshPython


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An index, both locks with the digests of its wheels, and the first of them without extras."""

    index: str
    locks: tuple[Path, ...]
    without_extras: Path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    wheels: dict[str, Callable[[], bytes]] = {}
    digests: dict[str, str] = {}
    for name, version in locked(lock.LOCKS).items():
        digests[name] = tiny_index.sha256(tiny_index.empty_wheel(name, version))
        for each in (version, tiny_index.newer(version)):
            wheels[tiny_index.file_of(name, each)] = partial(tiny_index.empty_wheel, name, each)
    folder = tmp_path_factory.mktemp("locks")

    def written(source: Path, name: str, *, with_extras: bool) -> Path:
        lines = (
            entry.line(
                digest=digests.get(entry.name, "") if entry.applies({}) else "", with_extras=with_extras
            )
            for entry in lock.read(source)
        )
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder / name

    with tiny_index.served(wheels) as index:
        yield Stage(
            index=index,
            locks=tuple(written(each, each.name, with_extras=True) for each in lock.LOCKS),
            without_extras=written(lock.LOCKS[0], "without-extras.txt", with_extras=False),
        )


@pytest.fixture(scope="module")
def own_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pips.copy(["pip"], tmp_path_factory.mktemp("own-pip"))


@pytest.fixture
def fresh(request: pytest.FixtureRequest, stage: Stage, own_pip: Path, tmp_path: Path) -> FreshPython:
    return pips.fresh(tmp_path, pips.folder_of(request.param, own_pip), index=stage.index)


def with_pips(*names: str) -> pytest.MarkDecorator:
    """Run a test with these pips: `own` is that of the running Python, the others are named in tools/."""
    return pytest.mark.parametrize("fresh", names, indirect=True)


def locked(locks: tuple[Path, ...]) -> dict[str, str]:
    """What these locks install on this Python."""
    return {entry.name: entry.version for path in locks for entry in lock.read(path) if entry.applies({})}


@with_pips("own", "oldest", "newest")
def test_the_locks_are_installed_whatever_was_released_since(fresh: FreshPython, stage: Stage) -> None:
    done = fresh.install(stage.locks)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fresh.installed() == locked(lock.LOCKS)


@with_pips("own", "oldest")
def test_a_lock_that_names_no_extras_is_installed_too(fresh: FreshPython, stage: Stage) -> None:
    # Some lockers write none. Here an old pip that resolves would take the newest release, and refuse it.
    done = fresh.install((stage.without_extras,))
    assert done.returncode == 0, done.stdout + done.stderr
    assert fresh.installed() == locked(lock.LOCKS[:1])


@with_pips("own")
def test_an_incomplete_lock_is_refused_with_what_is_missing(
    fresh: FreshPython, stage: Stage, tmp_path: Path
) -> None:
    text = stage.locks[0].read_text(encoding="utf-8").replace("\\\n", " ")
    kept = [line for line in text.splitlines() if not line.startswith("certifi==")]
    incomplete = tmp_path / "requirements.txt"
    incomplete.write_text("\n".join(kept) + "\n", encoding="utf-8")
    done = fresh.install((incomplete,))
    assert done.returncode != 0
    assert "requires certifi, which is not installed" in done.stdout


@with_pips("oldest", "newest")
def test_a_remote_build_installs_what_is_locked(fresh: FreshPython, stage: Stage, tmp_path: Path) -> None:
    # The words of Oryx, which builds a function app in Azure and cannot be given --no-deps (docs/operations.md).
    target = tmp_path / "site-packages"
    done = fresh.run(
        fresh.python,
        "-m",
        "pip",
        "install",
        "--prefer-binary",
        "-r",
        stage.locks[0],
        "--target",
        target,
        "--upgrade",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert fresh.installed("--path", target) == locked(lock.LOCKS[:1])


def test_one_script_installs_every_lock() -> None:
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "-co",
            "--exclude-standard",
            "Makefile",
            ".ci",
            ".github",
            "builder",
            "tools",
            "azure.yaml",
        ],
        cwd=lock.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert "Makefile" in listed
    installing = {
        name
        for name in listed
        if re.search(r"pip install .*(-r|--requirement)\b", (lock.CHECKOUT / name).read_text("utf-8"))
    }
    assert installing == set(), "a lock is installed by tools/install_lock.sh"
