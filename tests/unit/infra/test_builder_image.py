"""The builder's Dockerfile pins and verifies all it brings in, and leaves nothing with more rights than it needs."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
BUILDER = CHECKOUT / "builder"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of each, comments left out and continued lines joined."""
    text = (BUILDER / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def of(instructions: list[tuple[str, str]], kind: str) -> list[str]:
    return [rest for instruction, rest in instructions if instruction == kind]


def test_the_base_must_be_given_by_its_digest(instructions: list[tuple[str, str]]) -> None:
    assert {line.split()[0] for line in of(instructions, "FROM")} == {"${PYTHON_IMAGE}"}
    assert "PYTHON_IMAGE" in of(instructions, "ARG")  # no default
    guard = next(line for line in of(instructions, "RUN") if "PYTHON_IMAGE" in line)
    found = re.search(r"=~ (\S+) \]\]", guard)
    assert found is not None
    pattern = re.compile(found[1])  # bash's pattern is one of Python's too
    assert pattern.search("python:3.11-slim-bookworm@sha256:" + "a" * 64)
    assert not pattern.search("python:3.11-slim-bookworm")
    assert not pattern.search("debian@sha256:" + "a" * 64)
    assert not pattern.search("python:3.11-slim@sha256:" + "a" * 63)
    assert "exit 1" in guard


def test_every_download_is_verified_at_once(instructions: list[tuple[str, str]]) -> None:
    downloads = [position for position, (kind, rest) in enumerate(instructions) if kind == "ADD"]
    assert len(downloads) == 2
    for position in downloads:
        address, target = instructions[position][1].split()
        assert address.startswith("https://releases.hashicorp.com/")
        kind, rest = instructions[position + 1]
        assert kind == "RUN"
        assert f"{target}\\n" in rest
        assert "sha256sum --check --strict" in rest


def test_versions_and_digests_are_exact(instructions: list[tuple[str, str]]) -> None:
    given = dict(line.split("=", 1) for line in of(instructions, "ARG") if "=" in line)
    assert given["PACKER_VERSION"] == "1.16.0"
    assert given["PACKER_PLUGIN_AZURE_VERSION"] == "2.6.3"
    assert re.fullmatch(r"[0-9a-f]{64}", given["PACKER_SHA256"])
    # The caller of the build gives it, or the build fails.
    assert "PACKER_PLUGIN_AZURE_SHA256" in of(instructions, "ARG")
    assert any("${PACKER_PLUGIN_AZURE_SHA256:?" in line for line in of(instructions, "RUN"))


def test_nothing_floats_and_nothing_unverified_is_run() -> None:
    code = [
        line for line in (BUILDER / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    text = "\n".join(code)
    assert "latest" not in text
    assert not re.search(r"\b(curl|wget|packer init|apt-get|git clone)\b", text)
    # The one script that installs locks: by digest, and nothing that the lock does not name (tests/setup).
    assert "pip install" not in text
    assert "bash install_lock.sh /opt/venv/bin/python requirements.txt" in text


def test_it_runs_as_a_user_without_rights(instructions: list[tuple[str, str]]) -> None:
    assert of(instructions, "USER") == ["10001:10001"]
    kinds = [kind for kind, _ in instructions]
    assert kinds.index("USER") > max(
        position for position, kind in enumerate(kinds) if kind in {"RUN", "COPY"}
    )
    assert of(instructions, "ENTRYPOINT") == ['["imagefactory-builder"]']
    assert not of(instructions, "EXPOSE")


def test_only_what_the_builder_may_import_is_copied(instructions: list[tuple[str, str]]) -> None:
    lines = [line for line in of(instructions, "COPY") if "--from" not in line]
    copied = {path for line in lines for path in line.split()[:-1] if not path.startswith("--")}
    assert copied == {
        "builder",
        "builder/imagefactory-builder",
        "pipeline_core/__init__.py",
        "pipeline_core/domain",
        "pipeline_core/guard",
        "pipeline_core/wire",
        "requirements.txt",
        "tools/install_lock.sh",
    }
    ignore = (BUILDER / "Dockerfile.dockerignore").read_text("utf-8").split("\n")
    assert "*" in ignore
    for path in copied - {"builder/imagefactory-builder"}:
        assert f"!{path}" in ignore
        assert (CHECKOUT / path).exists()


def test_the_command_hands_signals_to_the_program() -> None:
    script = BUILDER / "imagefactory-builder"
    assert script.stat().st_mode & 0o111
    assert 'exec python -m builder "$@"' in script.read_text("utf-8")
