"""host.json, its overrides, settings, the polling back-off and route templates, without a process."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host import app_settings, host_json, routes
from local.host.errors import HostError
from local.host.host_json import Encoding
from local.host.queues.backoff import PollBackoff
from local.host.table import Function, Trigger


def read(tmp_path: Path, document: dict[str, Any], **environment: str) -> host_json.HostOptions:
    file = tmp_path / "host.json"
    file.write_text(json.dumps({"version": "2.0", **document}), "utf-8")
    return host_json.read_host_options(file, environment)


def test_the_defaults_are_those_of_the_real_host(tmp_path: Path) -> None:
    options = read(tmp_path, {})
    assert options.route_prefix == "api"
    assert options.queues == host_json.QueueOptions(
        max_polling_interval=timedelta(minutes=1),
        visibility_timeout=timedelta(0),
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        encoding=Encoding.BASE64,
    )


def test_a_setting_overrides_host_json_whatever_its_letter_case(tmp_path: Path) -> None:
    options = read(
        tmp_path,
        {"extensions": {"queues": {"maxPollingInterval": "00:00:30", "batchSize": 4}}},
        AzureFunctionsJobHost__extensions__queues__maxPollingInterval="00:00:00.25",
        AZUREFUNCTIONSJOBHOST__EXTENSIONS__QUEUES__BATCHSIZE="2",
        AzureFunctionsJobHost__extensions__http__routePrefix="",
    )
    assert options.queues.max_polling_interval == timedelta(milliseconds=250)
    assert (options.queues.batch_size, options.queues.new_batch_threshold) == (2, 1)
    assert options.route_prefix == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batchSize", 33),
        ("batchSize", 0),
        ("batchSize", "many"),
        ("maxDequeueCount", 0),
        ("newBatchThreshold", -1),
        ("maxPollingInterval", "00:00:00.01"),
        ("visibilityTimeout", "30s"),
        ("visibilityTimeout", "00:61:00"),
        ("messageEncoding", "utf8"),
    ],
)
def test_a_queue_option_out_of_bounds_is_refused_by_name(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(HostError, match=f"extensions.queues.{name}"):
        read(tmp_path, {"extensions": {"queues": {name: value}}})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:02", 2),
        ("00:00:00.1", 0.1),
        ("1.02:03:04", 93784),
        ("00:05", 300),
        ("00:00:00.1234567", 0.123456),
    ],
)
def test_time_spans_of_dotnet_are_read(text: str, seconds: float) -> None:
    assert host_json.parse_timespan(text) == timedelta(seconds=seconds)


def test_settings_go_into_the_environment_and_never_over_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"Values": {"A": "file", "B": "file", "C": "same"}}), "utf-8")
    environment = {"A": "mine", "C": "same"}
    assert app_settings.load_settings(file, environment) == ("A",)
    assert environment == {"A": "mine", "B": "file", "C": "same"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"Values": {"A": 1}}'])
def test_a_broken_settings_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content, "utf-8")
    with pytest.raises(HostError, match=r"settings\.json"):
        app_settings.load_settings(file, {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("AzureWebJobs.poll.Disabled", "true", True),
        ("AzureWebJobs__poll__Disabled", "1", True),
        ("AzureWebJobs.poll.Disabled", "false", False),
        ("AzureWebJobs.other.Disabled", "true", False),
    ],
)
def test_a_function_is_disabled_by_its_setting(name: str, value: str, expected: bool) -> None:
    assert app_settings.is_disabled("poll", {name: value}) is expected


def test_the_wait_doubles_from_100_ms_up_to_the_longest_and_begins_anew() -> None:
    backoff = PollBackoff(longest=timedelta(seconds=2), fraction=lambda: 0.5)
    waits = [backoff.next_delay() / timedelta(milliseconds=1) for _ in range(7)]
    assert waits == [100, 200, 400, 800, 1600, 2000, 2000]
    backoff.reset()
    assert backoff.next_delay() == timedelta(milliseconds=100)


def test_the_wait_is_spread_by_a_fifth() -> None:
    for fraction, expected in ((0.0, 180), (1.0, 220)):
        backoff = PollBackoff(longest=timedelta(seconds=60), fraction=iter([fraction] * 9).__next__)
        backoff.next_delay()
        assert backoff.next_delay() == timedelta(milliseconds=expected)


def http_function(name: str, route: str, *methods: str) -> Function:
    return Function(
        name=name,
        trigger=Trigger.HTTP,
        binding={"name": "req", "route": route, "methods": list(methods)},
        call=print,
        is_async=False,
        wants_context=False,
        is_disabled=False,
    )


TABLE = [
    # method, path, function, route parameters
    ("GET", "/api/images", "images", {}),
    ("GET", "/API/Images/", "images", {}),
    ("GET", "/api/images/5", "by_number", {"number": "5"}),
    ("GET", "/api/images/five", "by_name", {"name": "five"}),
    ("GET", "/api/images/a%2Fb", "by_name", {"name": "a/b"}),
    ("GET", "/api/images/five/tags", "tags", {"name": "five"}),
    ("GET", "/api/images/five/tags/new", "tags", {"name": "five", "tag": "new"}),
    ("POST", "/api/images", "rest", {"route": "images"}),
    ("GET", "/api/else/where", "rest", {"route": "else/where"}),
    ("GET", "/api", "rest", {}),
    ("GET", "/other", None, {}),
    ("GET", "/apix/images", None, {}),
]


@pytest.mark.parametrize(("method", "path", "name", "parameters"), TABLE)
def test_the_most_literal_route_gets_the_request(
    method: str, path: str, name: str | None, parameters: dict[str, str]
) -> None:
    table = routes.compile_routes(
        [
            http_function("rest", "/{*route}"),
            http_function("by_name", "images/{name}", "GET"),
            http_function("by_number", "images/{number:int}", "GET"),
            http_function("tags", "images/{name}/tags/{tag?}", "GET"),
            http_function("images", "images", "GET"),
        ],
        "api",
    )
    found = routes.find_route(table, method, path)
    assert (found and found[0].name) == name
    if found:
        assert {key: value for key, value in found[1].items() if value} == parameters


def test_a_route_that_is_not_emulated_is_refused() -> None:
    with pytest.raises(HostError, match=r"\{when:datetime\}"):
        routes.compile_routes([http_function("f", "x/{when:datetime}")], "")
