"""What a firewall-cmd that only pretends answers to the verify stage."""


def program(*, code: int, ssh: str, policy: str, kinds: dict[str, str]) -> str:
    """The body of a bash script: the default zone, the service ssh and active policies. It always ends with `code`."""
    given = {"services": "", "ports": "", "forward": "no", "masquerade": "no", "rich rules": "", **kinds}
    lines = "\n".join(f"  {kind}: {value}" for kind, value in given.items())
    answers = {
        "--get-default-zone": "public",
        "--info-service=ssh": f"ssh\n  ports: {ssh}\n  protocols: ",
        "--info-service=dhcpv6-client": "dhcpv6-client\n  ports: 546/udp\n  destination: ipv6:fe80::/64",
        "--get-active-policies": f"allow-host-ipv6\n  ingress-zones: ANY\n{policy}",
        "*": f"public (active)\n{lines}",
    }
    cases = "".join(f"{asked}) cat <<'END'\n{said}\nEND\n;;\n" for asked, said in answers.items())
    return f'case "$*" in\n{cases}esac\nexit {code}'
