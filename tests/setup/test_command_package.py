"""The `imagefactory` command as a package: what its wheel holds, what it needs, and that it runs where nothing else is.

The wheel is built by the backend of the lock, without a network. Its dependencies come from an index on this machine
that holds the locked distributions (`tiny_index`), and pip resolves them as it does for a user.
"""

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.setup import lock, pips, tiny_index
from tests.setup.pips import FreshPython

_PROJECT = tomllib.loads((lock.CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
_VERSION = f"imagefactory {_PROJECT['project']['version']}"
_PARTS = (
    "imagefactory",
    "pipeline_core/__init__.py",
    *(f"pipeline_core/{each}" for each in ("domain", "guard", "wire")),
)
_BACKEND = ("hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
_PLATFORM = ("azure-mgmt-compute", "azure-functions", "azure-data-tables", "fastapi", "starlette", "jinja2")


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this Python's pip and the build backend."""
    return pips.copy(["pip", *_BACKEND], tmp_path_factory.mktemp("builder"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, builder: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    python = pips.fresh(folder, builder)
    built = python.run(
        python.python,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        lock.CHECKOUT,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("imagefactory-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, builder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshPython]:
    """The wheel in an environment of its own, installed from an index, as pipx does."""
    entries = {entry.name: entry for entry in lock.read(lock.LOCKS[0]) if entry.applies({})}
    wheels = {
        tiny_index.file_of(name, entry.version): partial(tiny_index.real_wheel, name)
        for name, entry in entries.items()
    }
    with tiny_index.served(wheels) as index:
        installing = pips.fresh(tmp_path_factory.mktemp("user"), builder, index=index)
        done = installing.run(installing.python, "-m", "pip", "install", wheel)
        assert done.returncode == 0, done.stdout + done.stderr
        checked = installing.run(installing.python, "-m", "pip", "check")
        assert checked.returncode == 0, checked.stdout
        yield installing


def command(
    installed: FreshPython, folder: Path, *words: str | Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """The installed command, far from the checkout and without anything beside it."""
    alone = {**installed.environment, "PYTHONPATH": "", "COLUMNS": "160", **more}
    user = FreshPython(python=installed.python, environment=alone)
    return user.run(installed.python.with_name("imagefactory"), *words, folder=folder)


def test_the_wheel_holds_the_command_and_its_parts_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *_PARTS],
        cwd=lock.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {name for name in listed if (lock.CHECKOUT / name).exists()}


def test_it_brings_nothing_that_only_the_platform_needs(installed: FreshPython) -> None:
    present = installed.installed(
        "--path", next((installed.python.parents[1] / "lib").glob("python*/site-packages"))
    )
    assert present["imagefactory"] == _PROJECT["project"]["version"]
    assert {canonicalize_name(Requirement(each).name) for each in _PROJECT["project"]["dependencies"]} <= set(
        present
    )
    assert not set(_PLATFORM) & set(present)


def test_it_says_its_release(installed: FreshPython, tmp_path: Path) -> None:
    done = command(installed, tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"{_VERSION}\n"), done.stderr


@pytest.mark.parametrize(
    "image", sorted(each.parent.name for each in (lock.CHECKOUT / "images").glob("*/image.yaml"))
)
def test_it_validates_every_image_of_this_repository(
    installed: FreshPython, tmp_path: Path, image: str
) -> None:
    done = command(installed, tmp_path, "validate", lock.CHECKOUT / "images" / image)
    assert done.returncode == 0, done.stderr
    assert f"{image} is valid" in done.stdout


def test_it_validates_the_steps_of_secops(installed: FreshPython, tmp_path: Path) -> None:
    done = command(installed, tmp_path, "validate", "--platform", lock.CHECKOUT / "images")
    assert done.returncode == 0, done.stderr


def test_a_shell_completes_it(installed: FreshPython, tmp_path: Path) -> None:
    words = {"_IMAGEFACTORY_COMPLETE": "complete_bash", "COMP_WORDS": "imagefactory re", "COMP_CWORD": "1"}
    done = command(installed, tmp_path, **words)
    commands = {"register", "rebuild", "resume", "retry", "retention"}
    assert set(done.stdout.split()) == commands, done.stderr


def test_it_names_each_distribution_that_it_imports(wheel: Path) -> None:
    declared = {canonicalize_name(Requirement(each).name) for each in _PROJECT["project"]["dependencies"]}
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    imported = {name: set(_imports(ast.parse(text))) for name, text in texts.items()}
    whose = metadata.packages_distributions()
    for name, modules in imported.items():
        for module in modules - set(sys.stdlib_module_names) - {"imagefactory", "pipeline_core"}:
            # pydantic_core is pydantic's own half; the parts of azure share one name.
            owners = {canonicalize_name(each) for each in whose[module]} | (
                {"pydantic"} & {module.split("_")[0]}
            )
            assert owners & declared, f"{name} imports {module}"


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_the_locked_versions_lie_within_the_ranges() -> None:
    entries = {entry.name: entry for entry in lock.read(lock.LOCKS[0])}
    for each in map(Requirement, _PROJECT["project"]["dependencies"]):
        assert each.specifier, f"{each}: no range"
        assert each.specifier.contains(entries[canonicalize_name(each.name)].version), str(each)
    (backend,) = map(Requirement, _PROJECT["build-system"]["requires"])
    dev = {entry.name: entry for entry in lock.read(lock.LOCKS[1])}
    assert backend.specifier.contains(dev[backend.name].version)


@pytest.mark.parametrize("pip", ["own", "oldest", "newest"])
def test_set_up_installs_the_command_of_the_checkout(pip: str, builder: Path, tmp_path: Path) -> None:
    python = pips.fresh(tmp_path, pips.folder_of(pip, builder), builder)
    virtual = python.python.parents[1]
    (virtual / ".installed").touch()
    done = python.run("make", f"VENV={virtual}", "-o", virtual / ".installed", virtual / ".command")
    assert done.returncode == 0, done.stdout + done.stderr
    where = python.run(
        python.python, "-c", "import imagefactory; print(imagefactory.__path__[0])", folder=tmp_path
    )
    assert Path(where.stdout.strip()) == lock.CHECKOUT / "imagefactory", where.stderr
    assert virtual.joinpath("bin", "imagefactory").exists()
    # Python 3.11 and 3.12 read a .pth in the locale's encoding: a path in it can stop them at their start.
    assert not [each for each in virtual.rglob("*.pth") if str(lock.CHECKOUT) in each.read_text("utf-8")]


def test_another_checkout_comes_first_on_the_path(tmp_path: Path, builder: Path) -> None:
    # A worktree that shares the environment of another checkout runs its own code.
    python = pips.fresh(tmp_path, builder)
    virtual = python.python.parents[1]
    (virtual / ".installed").touch()
    assert (
        python.run("make", f"VENV={virtual}", "-o", virtual / ".installed", virtual / ".command").returncode
        == 0
    )
    (tmp_path / "imagefactory").mkdir()
    (tmp_path / "imagefactory" / "__init__.py").touch()
    other = FreshPython(python=python.python, environment={**python.environment, "PYTHONPATH": str(tmp_path)})
    where = other.run(
        python.python, "-c", "import imagefactory; print(imagefactory.__path__[0])", folder=builder
    )
    assert Path(where.stdout.strip()) == tmp_path / "imagefactory", where.stderr
