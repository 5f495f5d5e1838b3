"""The Packer that is found on a machine. A few lines of shell stand in for Packers and plugins."""

import subprocess
from pathlib import Path

import pytest

from local import real_packer
from local.real_packer import RealPackerError

INSTALL = (
    'mkdir -p "$PACKER_PLUGIN_PATH/github.com/hashicorp/azure" && '
    'cp "$4" "$PACKER_PLUGIN_PATH/github.com/hashicorp/azure/"'
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def a_packer(path: Path, version: str = "1.16.0", installed: str = "") -> Path:
    return write(
        path,
        f'case "$1 $2" in\n"version "*) echo "Packer v{version}" ;;\n'
        f'"plugins installed") echo "{installed}" ;;\n"plugins install") {INSTALL} ;;\n'
        '*) echo "ran $*" ;;\nesac',
    )


def a_plugin(path: Path, version: str) -> Path:
    return write(path, f"""[ "$1" = describe ] && echo '{{"version": "{version}", "api_version": "x5.0"}}'""")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return tmp_path / "built"


def environ(*folders: Path, **more: str) -> dict[str, str]:
    return {"PATH": ":".join([*map(str, folders), "/usr/bin", "/bin"]), "HOME": "/", **more}


def test_nothing_is_found_on_a_machine_without_packer(built: Path) -> None:
    assert real_packer.find(environ(), built=built) is None


def test_what_was_built_is_found_and_its_plugin_installed_into_a_folder_of_ours(built: Path) -> None:
    a_packer(built / "packer")
    a_plugin(built / "packer-plugin-azure", "2.6.3")

    found = real_packer.find(environ(), built=built)

    assert found is not None
    assert str(found) == "Packer 1.16.0, azure plugin 2.6.3"
    assert found.program.is_relative_to(built)
    assert [path.name for path in found.plugin_folder.rglob("packer-plugin-*")] == ["packer-plugin-azure"]
    assert real_packer.find(environ(), built=built) == found


def test_packer_on_the_path_is_found_with_the_newest_plugin_that_it_has(built: Path, tmp_path: Path) -> None:
    older = a_plugin(tmp_path / "x" / "packer-plugin-azure_v2.9.0_x5.0_linux_amd64", "2.9.0")
    newer = a_plugin(tmp_path / "x" / "packer-plugin-azure_v2.10.0_x5.0_linux_amd64", "2.10.0")
    a_packer(tmp_path / "bin" / "packer", "1.14.2", installed=f"{newer}\n{older}")

    found = real_packer.find(environ(tmp_path / "bin"), built=built)

    assert found is not None
    assert (found.packer_version, found.plugin_version) == ("1.14.2", "2.10.0")


@pytest.mark.parametrize("text", ["echo cracklib", "exit 1", "cat"])
def test_another_program_of_that_name_is_not_packer(text: str, built: Path, tmp_path: Path) -> None:
    write(tmp_path / "bin" / "packer", text)
    assert real_packer.find(environ(tmp_path / "bin"), built=built) is None


def test_packer_without_the_plugin_is_not_enough(built: Path, tmp_path: Path) -> None:
    a_packer(tmp_path / "bin" / "packer")
    assert real_packer.find(environ(tmp_path / "bin"), built=built) is None


def test_a_named_plugin_is_used_instead_of_the_built_one(built: Path, tmp_path: Path) -> None:
    a_packer(built / "packer")
    a_plugin(built / "packer-plugin-azure", "1.4.5")
    named = a_plugin(tmp_path / "other", "2.6.3")

    first = real_packer.find(environ(), built=built)
    second = real_packer.find(environ(PACKER_AZURE_PLUGIN=str(named)), built=built)

    assert first is not None
    assert second is not None
    assert (first.plugin_version, second.plugin_version) == ("1.4.5", "2.6.3")
    assert first.plugin_folder != second.plugin_folder


def test_recorded_asks_for_none(built: Path) -> None:
    a_packer(built / "packer")
    a_plugin(built / "packer-plugin-azure", "2.6.3")
    assert real_packer.find(environ(PACKER="recorded"), built=built) is None
    assert "PACKER=recorded" in real_packer.why_none({"PACKER": "recorded"})


def test_a_named_packer_or_plugin_that_is_none_is_an_error(built: Path, tmp_path: Path) -> None:
    with pytest.raises(RealPackerError, match="PACKER=nowhere"):
        real_packer.find(environ(PACKER="nowhere"), built=built)
    a_packer(built / "packer")
    with pytest.raises(RealPackerError, match="PACKER_AZURE_PLUGIN=/nowhere is not a file"):
        real_packer.find(environ(PACKER_AZURE_PLUGIN="/nowhere"), built=built)
    mute = write(tmp_path / "mute", "echo nothing")
    with pytest.raises(RealPackerError, match="does not answer `describe`"):
        real_packer.find(environ(PACKER_AZURE_PLUGIN=str(mute)), built=built)


def test_with_an_older_plugin_the_program_is_a_shim_that_becomes_packer(built: Path, tmp_path: Path) -> None:
    a_packer(built / "packer")
    a_plugin(built / "packer-plugin-azure", "1.4.5")
    found = real_packer.find(environ(), built=built)
    assert found is not None
    assert found.has_managed_identity
    template = tmp_path / "work" / "template.pkr.json"
    template.parent.mkdir()
    text = '{"source": {"azure-arm": {"image": {"security_type": "TrustedLaunch", "vm_size": "x"}}}}'
    template.write_text(text, encoding="utf-8")

    done = subprocess.run(
        [found.program, "build", "-color=false", "template.pkr.json"],
        cwd=template.parent,
        env=environ(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "ran build -color=false template.older-plugin.pkr.json\n"
    assert done.stderr.count("security_type left out") == 1
    assert template.read_text(encoding="utf-8") == text
    version = subprocess.run(
        [found.program, "version"], env=environ(), capture_output=True, text=True, timeout=30, check=True
    )
    assert version.stdout == "Packer v1.16.0\n"
