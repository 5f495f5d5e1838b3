"""Both credentials of the builder, as the real Packer takes them: `packer validate` reaches for no network."""

import subprocess
from pathlib import Path

import pytest

from builder.packer import command as builder_packer
from local.real_packer import RealPacker

GOLDEN = Path(__file__).parents[1] / "golden" / "builder" / "templates"
TOKEN = "a-token-that-nobody-may-read"
CREDENTIALS = ("managed-identity", "workload-identity")
SOURCES = ("root-build-subnet", "child-build-no-subnet", "root-verify-no-subnet", "child-verify-subnet")


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("source", SOURCES)
def test_packer_finds_the_template_valid(
    source: str, credential: str, real: RealPacker, tmp_path: Path
) -> None:
    if credential == "workload-identity" and real.has_managed_identity:
        pytest.skip(f"azure plugin {real.plugin_version} knows no workload identity")
    done = _validate(source, credential, real, tmp_path, {"IF_OIDC_REQUEST_TOKEN": TOKEN})
    assert done.returncode == 0, done.stdout
    assert TOKEN not in done.stdout


def test_packer_itself_hides_the_token(real: RealPacker, tmp_path: Path) -> None:
    if real.has_managed_identity:
        pytest.skip(f"azure plugin {real.plugin_version} knows no workload identity")
    template = (GOLDEN / "root-build-subnet-workload-identity.pkr.json").read_text(encoding="utf-8")
    leaking = template.replace('"Standard_D2s_v5"', '"${var.oidc_request_token}"').replace(
        '"os_type": "Linux"', '"os_type": "${var.oidc_request_token}"'
    )
    done = _run(leaking, real, tmp_path, {"IF_OIDC_REQUEST_TOKEN": TOKEN})
    assert done.returncode == 1
    assert "<sensitive>" in done.stdout
    assert TOKEN not in done.stdout


def _validate(
    source: str, credential: str, real: RealPacker, folder: Path, environ: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    text = (GOLDEN / f"{source}-{credential}.pkr.json").read_text(encoding="utf-8")
    return _run(text, real, folder, environ)


def _run(
    template: str, real: RealPacker, folder: Path, environ: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    (folder / "template.pkr.json").write_text(template, encoding="utf-8")
    given = {"PATH": "/usr/bin:/bin", "PACKER_PLUGIN_PATH": str(real.plugin_folder), **environ}
    return subprocess.run(
        [real.program, "validate", "template.pkr.json"],
        cwd=folder,
        env=builder_packer.clean_environment(given, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
