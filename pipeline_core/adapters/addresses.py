"""Which addresses are public: what a team names must not reach a machine's own services, or the network around it.

The list is IANA's, written down here, because `is_global` of the standard library changes with its release.
Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 and RFC 8215 (NAT64), RFC 3056 (6to4),
RFC 4380 (Teredo); "What is IP address 168.63.129.16?" (Microsoft Learn) for WireServer.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; also Azure's own
        "127.0.0.0/8",
        "168.63.129.16/32",  # WireServer: public by its number, Azure's host by its meaning
        "169.254.0.0/16",  # the metadata service
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Inside of 2000::/3, the only part of IPv6 that is public:
        "2001::/23",  # Teredo, benchmarks, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address is inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_PUBLIC_V6 = ip_network(
    "2000::/3"
)  # NAT64, loopback, local, mapped and multicast addresses are outside of it


def is_public(text: str, also: Sequence[Network] = ()) -> bool:
    """True where the address is of the public internet, or in one of the networks `also`. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    mapped = None if isinstance(address, IPv4Address) else address.ipv4_mapped
    address = mapped or address
    if any(address in network for network in also):
        return True
    if mapped is not None:
        return False  # no resolver gives such an address; it is another way to write an IPv4 address
    if address.version == 6 and address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _NOT_PUBLIC)
