"""Two releases of the guide are compared, by small made data streams."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.content import benchmark, rules_diff

GUIDE = "xccdf_org.ssgproject.content"


def stream(
    path: Path,
    *,
    version: str = "0.1.1",
    rules: Mapping[str, str],
    profiles: Mapping[str, str],
    values: tuple[str, ...] = ("var_a",),
) -> Path:
    """A data stream with `rules` (id, severity) and `profiles` (id, the XML inside)."""
    parts = [
        *(f'<Value id="{GUIDE}_value_{each}"/>' for each in values),
        *(
            f'<Group><Rule id="{GUIDE}_rule_{rule}" severity="{severity}" selected="false"/></Group>'
            for rule, severity in rules.items()
        ),
        *(f'<Profile id="{GUIDE}_profile_{name}">{inside}</Profile>' for name, inside in profiles.items()),
    ]
    path.write_text(
        '<ds:data-stream-collection xmlns:ds="http://scap.nist.gov/schema/scap/source/1.2"><ds:component>'
        f'<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2" id="x"><version>{version}</version>'
        f"{''.join(parts)}</Benchmark></ds:component></ds:data-stream-collection>",
        encoding="utf-8",
    )
    return path


def selects(*rules: str) -> str:
    return "".join(f'<select idref="{GUIDE}_rule_{rule}" selected="true"/>' for rule in rules)


@pytest.fixture
def exceptions(tmp_path: Path) -> Path:
    """SecOps' file: `rule_b` is left out of `cis`, and `var_a` is set."""
    reason = "a reason that is long enough"
    document = {
        "owner": "secops",
        "profiles": {"cis": {"title": "CIS"}},
        "values": [{"value": "var_a", "set": "5", "reason": reason}],
        "rules": [{"rule": "rule_b", "reason": reason}],
    }
    path = tmp_path / "exceptions.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def compared(
    old: Path, new: Path, exceptions: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    code = rules_diff.main([str(old), str(new)], exceptions)
    return code, capsys.readouterr().out.splitlines()


def test_the_same_release_differs_in_nothing(
    tmp_path: Path, exceptions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stream(tmp_path / "one.xml", rules={"rule_b": "low"}, profiles={"cis": selects("rule_b")})
    assert compared(one, one, exceptions, capsys) == (
        0,
        ["Release 0.1.1 to 0.1.1", "Rules", "Profile cis", "Exceptions that name what is gone"],
    )


def test_rules_severities_and_what_a_profile_selects(
    tmp_path: Path, exceptions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = stream(
        tmp_path / "old.xml",
        rules={"rule_a": "low", "rule_b": "low", "rule_c": "high"},
        profiles={
            "cis": selects("rule_a", "rule_b") + f'<refine-value idref="{GUIDE}_value_var_a" selector="14"/>',
        },
    )
    new = stream(
        tmp_path / "new.xml",
        version="0.1.2",
        rules={"rule_b": "low", "rule_c": "medium", "rule_d": "high"},
        profiles={"cis": selects("rule_b", "rule_c", "rule_d")},
    )
    assert compared(old, new, exceptions, capsys) == (
        0,
        [
            "Release 0.1.1 to 0.1.2",
            "Rules",
            "  + rule_d (high)",
            "  - rule_a (low)",
            "  ~ rule_c: severity high, now medium",
            "Profile cis",
            "  + rule_c (medium)",
            "  + rule_d (high)",
            "  - rule_a (low)",
            "  ~ var_a: '14', now the guide's own",
            "Exceptions that name what is gone",
        ],
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rules": {"rule_a": "low"}}, "rule_b: there is no such rule"),
        ({"profiles": {"cis": selects("rule_a")}}, "rule_b: no profile that leaves it out selects it"),
        ({"profiles": {"stig": selects("rule_b")}}, "cis: there is no such profile"),
        ({"values": ("var_b",)}, "var_a: there is no such value"),
    ],
    ids=["rule", "selection", "profile", "value"],
)
def test_an_exception_that_names_what_is_gone_is_told(
    tmp_path: Path,
    exceptions: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, dict[str, str]],
    told: str,
) -> None:
    full = {"rules": {"rule_a": "low", "rule_b": "low"}, "profiles": {"cis": selects("rule_a", "rule_b")}}
    old = stream(tmp_path / "old.xml", **full)  # type: ignore[arg-type]
    new = stream(tmp_path / "new.xml", **{**full, **changes})  # type: ignore[arg-type]
    code, lines = compared(old, new, exceptions, capsys)
    assert code == 1
    assert f"  {told}" in lines[lines.index("Exceptions that name what is gone") :]


@pytest.mark.parametrize(
    ("version", "code"), [("0.1.9", 0), ("0.1.79", 0), ("0.1.80", 1), ("0.1.100", 1), ("", 1), ("latest", 1)]
)
def test_an_exception_of_a_newer_release_is_not_gone_in_an_older_one(
    tmp_path: Path, exceptions: Path, capsys: pytest.CaptureFixture[str], version: str, code: int
) -> None:
    text = json.loads(exceptions.read_text("utf-8"))
    text["rules"].append(
        {"rule": "rule_c", "since": "0.1.80", "reason": "a reason that is long enough"},
    )
    exceptions.write_text(json.dumps(text), encoding="utf-8")
    path = stream(
        tmp_path / "a.xml", version=version, rules={"rule_b": "low"}, profiles={"cis": selects("rule_b")}
    )
    found, lines = compared(path, path, exceptions, capsys)
    assert found == code
    assert ("  rule_c: there is no such rule" in lines) is bool(code)


def test_a_profile_has_what_it_extends_and_leaves_out_what_it_deselects(tmp_path: Path) -> None:
    path = stream(
        tmp_path / "one.xml", rules={"rule_a": "low", "rule_b": "low"}, profiles={"cis": selects("rule_a")}
    )
    child = (
        f'<Profile id="{GUIDE}_profile_child" extends="{GUIDE}_profile_cis">{selects("rule_b")}'
        f'<select idref="{GUIDE}_rule_rule_a" selected="false"/></Profile>'
    )
    path.write_text(path.read_text("utf-8").replace("</Benchmark>", f"{child}</Benchmark>"), encoding="utf-8")
    found = benchmark.read(path)
    assert found.profiles["cis"].rules == {"rule_a"}
    assert found.profiles["child"].rules == {"rule_b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<a/>", "has 0 benchmarks"),
        ("no", "is not XML"),
        (None, "No such file"),
    ],
    ids=["none", "no XML", "absent"],
)
def test_a_file_that_is_no_release_is_told(
    tmp_path: Path, exceptions: Path, capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    path = tmp_path / "new.xml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert rules_diff.main([str(path), str(path)], exceptions) == 2
    assert told in capsys.readouterr().err
