"""Which names and addresses of machines are reserved for examples, tests and one's own machine.

A name that is reserved stands for a value that nobody has filled in. Looks nothing up: a name that only does not
resolve is not a placeholder.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

# RFC 2606 (section 3) and RFC 6761: names that are reserved, each with everything below it.
EXAMPLES = ("example.com", "example.net", "example.org", "example", "invalid", "test")
OWN_MACHINE = ("localhost", "localhost.localdomain")
# RFC 5737 (TEST-NET-1, -2 and -3), RFC 3849 and RFC 9637: addresses for documents.
DOCUMENTATION: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)

_HOST = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/?#@\"'<>\\]*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)", re.ASCII
)


def is_example(host: str) -> bool:
    """True if a name, or an IP address with or without brackets, is reserved for examples or tests."""
    plain = host.strip("[]").rstrip(".").lower()
    return _is_below(plain, EXAMPLES) or _is_documentation(plain)


def is_placeholder(host: str) -> bool:
    """The same, or a name of one's own machine, which is another machine in each place that reads it."""
    return is_example(host) or _is_below(host.rstrip(".").lower(), OWN_MACHINE)


def hosts_in(text: str) -> tuple[str, ...]:
    """The hosts of all addresses with a scheme in a text, in order, as they are written."""
    return tuple(_HOST.findall(text))


def _is_below(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in names)


def _is_documentation(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in DOCUMENTATION)
