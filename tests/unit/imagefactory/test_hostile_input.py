"""Every command ends with a message under hostile arguments, files and answers, and never with a traceback."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from imagefactory.main import app
from tests.unit.imagefactory import hostile
from tests.unit.imagefactory.conftest import IMAGE
from tests.unit.imagefactory.fake_factory import TOKEN, FakeFactory
from tests.unit.imagefactory.test_policy_commands import DOCUMENT

pytestmark = pytest.mark.process

_ENTRY = '{"id": "goss", "version": "0.4.9", "url": "https://example.com/g", "sha256": "0"}'
CATALOG = '{"allowedHosts": ["example.com"], "entries": [' + _ENTRY + "]}"
LEAVES = hostile.leaves()
KEYS = sorted(
    {
        name
        for each in json.loads((Path(__file__).parents[2] / "golden" / "openapi.json").read_text())[
            "components"
        ]["schemas"].values()
        for name in each.get("properties", {})
    }
)


def ended_with_a_message(result: Result, *, called: object) -> None:
    assert result.exception is None or isinstance(result.exception, SystemExit), (called, result.exc_info)
    assert result.exit_code in (0, 1, 2, 3, 4), called
    assert "Traceback" not in result.output, called
    assert result.output.strip() or result.exit_code == 0, called
    assert not {"\x1b", "\u202e"} & set(result.output), called


def folder_of(place: Path, chance: random.Random) -> Path:
    """A folder of a team or of SecOps, with hostile documents and files."""
    place.mkdir(parents=True)
    (place / "image.yaml").write_bytes(hostile.mutated(IMAGE, chance))
    (place / "install.sh").write_bytes(chance.randbytes(20))
    if chance.random() < 0.5:
        (place / "catalog.json").write_bytes(hostile.mutated(CATALOG, chance))
        (place / "platform").mkdir()
        (place / "platform" / "x.sh").write_text("echo\n")
    if chance.random() < 0.2:
        (place / ".imagefactoryignore").write_bytes(hostile.mutated("*.log\ntmp/\n", chance))
    if chance.random() < 0.2:
        (place / chance.choice(["a\udcff", "a\nb", "a\u202e", "é", "x" * 200])).write_text("x")
    if chance.random() < 0.1:
        (place / "loop").symlink_to(place)
    if chance.random() < 0.05:
        (place / "image.yaml").unlink()
    return place


def test_all_commands_are_walked() -> None:
    assert len(LEAVES) >= 35
    assert {"validate", "pack", "policy check", "verify", "notify secret rotate", "sources"} <= set(LEAVES)


@pytest.mark.parametrize("count", [5, pytest.param(40, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_command_ends_with_a_message(
    name: str, count: int, tmp_path: Path, factory: FakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, command = LEAVES[name]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)
    for number, chance in enumerate(hostile.seeds(name, count)):
        policy = tmp_path / f"{number}.yaml"
        policy.write_bytes(hostile.mutated(DOCUMENT, chance))
        files = [folder_of(tmp_path / str(number), chance), policy, tmp_path / "nothing"]
        factory.answers = [hostile.answer(KEYS, chance) for _ in range(8)]
        given = [*words, *hostile.arguments(command, files, chance)]
        environment = {"IMAGEFACTORY_URL": factory.url, "IMAGEFACTORY_TOKEN": TOKEN, "COLUMNS": "160"}
        ended_with_a_message(CliRunner().invoke(app, given, env=environment), called=(number, given))


@pytest.mark.parametrize(
    "words", [["validate"], ["validate", "--platform"], ["policy", "check"], ["validate", "-o", "json"]]
)
def test_hostile_documents_are_refused_for_what_they_are(words: list[str], tmp_path: Path) -> None:
    for number, chance in enumerate(hostile.seeds(" ".join(words), 30)):
        place = folder_of(tmp_path / str(number), chance)
        (place / "policy.yaml").write_bytes(hostile.mutated(DOCUMENT, chance))
        target = place / "policy.yaml" if "policy" in words else place
        result = CliRunner().invoke(app, [*words, str(target)])
        ended_with_a_message(result, called=(number, words))
        assert result.exit_code in (0, 1), (number, result.output)
        assert "unexpected" not in result.output.replace("unexpected end", "").replace(
            "found unexpected", ""
        ), number


@pytest.mark.parametrize("escape", ["\\U00110000", "\\UFFFFFFFF", "\\uD800", "\\uDFFF"])
def test_a_character_that_does_not_exist_is_named_with_its_line(escape: str, folder: Path) -> None:
    (folder / "image.yaml").write_text(IMAGE.replace("payments@example.com", f'"{escape}"'))
    result = CliRunner().invoke(app, ["validate", str(folder)])
    assert result.exit_code == 1
    assert "line 4" in result.output
    assert "is not a character" in result.output
