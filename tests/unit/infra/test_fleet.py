"""`infra/fleet` collects what deployed machines say: its rules name queries that exist and times that Azure takes."""

import re
from typing import Any

from tests.unit.infra import terraform

FLEET = terraform.INFRA / "fleet"
UNITS = terraform.INFRA.parent / "images" / "roles" / "postdeploy" / "files" / "units"
QUERIES = {path.stem for path in (FLEET / "queries").glob("*.kql")}
# The provider's page of azurerm_monitor_scheduled_query_rules_alert_v2.
EVERY = dict(
    PT1M=1, PT5M=5, PT10M=10, PT15M=15, PT30M=30, PT45M=45, PT1H=60, PT2H=120, PT3H=180, P1D=1440, P2D=2880
)


def _content() -> dict[str, Any]:
    return terraform.parsed(FLEET / "main.tf")


def _resource(kind: str) -> dict[str, Any]:
    (found,) = [block[kind] for block in _content()["resource"] if kind in block]
    (each,) = found.values()
    return dict(each)


def test_every_file_has_valid_syntax() -> None:
    names = [path.name for path in sorted(FLEET.glob("*.tf")) if terraform.parsed(path)]
    assert names == ["main.tf", "outputs.tf", "variables.tf", "versions.tf"]


def test_every_query_is_an_alert_or_a_figure_and_no_other_is_named() -> None:
    alerts = {each["query"] for each in _content()["locals"][0]["alerts"].values()}
    figures = set(
        re.findall(r"[a-z-]+", _resource("azurerm_log_analytics_saved_search")["for_each"].partition("(")[2])
    )
    assert alerts & figures == set()
    assert alerts | figures == QUERIES


def test_the_rule_collects_the_facility_of_the_units() -> None:
    (source,) = _resource("azurerm_monitor_data_collection_rule")["data_sources"]
    (syslog,) = source["syslog"]
    facilities = {
        line.partition("=")[2]
        for path in UNITS.glob("*.service")
        for line in path.read_text().splitlines()
        if line.startswith("SyslogFacility=")
    }
    assert {each.strip('"') for each in syslog["facility_names"]} == facilities


def _longest_pause() -> float:
    """Minutes from the end of one run to the start of the next, at most."""
    longest = 0.0
    for path in UNITS.glob("*.timer"):
        found = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        assert found["OnUnitInactiveSec"] == "1h", path.name
        longest = max(longest, 60 + float(found["RandomizedDelaySec"].removesuffix("min")))
    return longest


def test_each_alert_sees_a_run_of_the_timers_in_its_window() -> None:
    for name, alert in _content()["locals"][0]["alerts"].items():
        seen = alert["range"] or alert["window"]
        assert EVERY[seen] > _longest_pause(), f"{name}: it would end between two runs that fail"
        assert EVERY[alert["every"]] <= EVERY[alert["window"]], (
            f"{name}: what lies between two looks is seen by none"
        )
        assert EVERY[seen] >= EVERY[alert["window"]], name


def test_what_nobody_says_is_over_does_not_end_by_itself() -> None:
    rule = _resource("azurerm_monitor_scheduled_query_rules_alert_v2")
    assert rule["auto_mitigation_enabled"] == "${each.value.quiet == null}"
    assert rule["mute_actions_after_alert_duration"] == "${each.value.quiet}"
    alerts = _content()["locals"][0]["alerts"]
    assert {name for name, alert in alerts.items() if alert["quiet"]} == {"expires-soon", "silent"}
    # The provider: a rule is not asked more seldom than its actions are muted.
    assert all(EVERY[each["every"]] <= EVERY[each["quiet"]] for each in alerts.values() if each["quiet"])


def test_a_query_that_counts_has_the_column_that_its_alerts_are_split_by() -> None:
    (criteria,) = _resource("azurerm_monitor_scheduled_query_rules_alert_v2")["criteria"]
    (dimension,) = criteria["dimension"]
    column = dimension["name"].strip('"')
    for alert in _content()["locals"][0]["alerts"].values():
        last = (FLEET / "queries" / f"{alert['query']}.kql").read_text().strip().splitlines()
        shaped = [line for line in last if line.startswith(("| project", "| summarize"))][-1]
        assert re.search(rf"\b{column}\b", shaped), alert["query"]
