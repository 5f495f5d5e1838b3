"""Which hosts are reserved for examples (RFC 2606, 6761, 5737, 3849, 9637), and where a text names one."""

import pytest

from pipeline_core.domain import placeholder_hosts as hosts

EXAMPLE = (
    "example.com",
    "artifacts.example.com",
    "EXAMPLE.COM.",
    "a.b.example.net",
    "example.org",
    "tools.example",
    "kv.invalid",
    "mirror.test",
    "test",
    "192.0.2.1",
    "198.51.100.255",
    "203.0.113.7",
    "2001:db8::1",
    "[2001:db8:1::2]",
    "3fff:fff::1",
)
OWN = ("localhost", "LOCALHOST.", "db.localhost", "localhost.localdomain", "a.localhost.localdomain")
REAL = (
    "",
    "example.com.evil.net",
    "myexample.com",
    "example.co",
    "examples.org",
    "latest",
    "contest",
    "test.github.com",
    "invalid.github.com",
    "localhost.github.com",
    "notlocalhost",
    "localdomain",
    "tools.demonstration.internal",
    "printer.local",
    "192.0.3.1",
    "10.0.0.4",
    "127.0.0.1",
    "::1",
    "2001:db9::1",
    "4000::1",
)


@pytest.mark.parametrize("host", EXAMPLE)
def test_a_reserved_name_or_address_is_an_example(host: str) -> None:
    assert hosts.is_example(host)
    assert hosts.is_placeholder(host)


@pytest.mark.parametrize("host", OWN)
def test_a_name_of_ones_own_machine_is_a_placeholder_and_no_example(host: str) -> None:
    assert not hosts.is_example(host)
    assert hosts.is_placeholder(host)


@pytest.mark.parametrize("host", REAL)
def test_every_other_host_is_neither(host: str) -> None:
    assert not hosts.is_placeholder(host)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://a.example.com/x", ("a.example.com",)),
        ("HTTPS://A.Example.Com:8443", ("A.Example.Com",)),
        ("https://user:secret@mirror.test/y", ("mirror.test",)),
        ("https://[2001:db8::1]:443/", ("[2001:db8::1]",)),
        ("one http://a.test, two ftp://b.test;", ("a.test", "b.test")),
        ("baseurl=https://c.test/$releasever", ("c.test",)),
        ("me@example.com", ()),
        ("example.com", ()),
        ("a/b://", ()),
    ],
)
def test_hosts_are_found_in_addresses_alone(text: str, found: tuple[str, ...]) -> None:
    assert hosts.hosts_in(text) == found
