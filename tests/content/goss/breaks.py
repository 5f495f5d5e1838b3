"""Deliberate mistakes in the children, each a line of bash in the baked root, with the tests of goss that find it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """`line` runs in a copy of the child's root. `finds` are the names of all tests that fail then."""

    child: str
    what: str
    line: str
    finds: frozenset[str]


def _one(child: str, what: str, line: str, *finds: str) -> Break:
    return Break(child=child, what=what, line=line, finds=frozenset(finds))


_JAVA = r"""printf '#!/bin/sh\necho '"'"'openjdk version "17.0.12"'"'"' >&2\n'"""
_UNIT = "/etc/systemd/system"
_VAULT_SHOWN = (
    "Command: systemctl show vault.service --property=LoadState,CanReload,LimitCORE,LimitNOFILE,MemorySwapMax,User,"
    "NoNewPrivileges,ProtectSystem: stdout"
)
_PAYMENTS_SHOWN = (
    "Command: systemctl show payments-api.service --property=LoadState,LimitCORE,User,NoNewPrivileges,"
    "ProtectSystem: stdout"
)
BREAKS: Final = (
    _one(
        "rhel9-java",
        "another release",
        f"{_JAVA} >/usr/lib/jvm/java-21-openjdk/bin/java",
        "Command: java -version: stderr",
        "Command: java of JAVA_HOME: stderr",
    ),
    _one(
        "rhel9-java",
        "JAVA_HOME of another release",
        "sed -i s,jvm/jre,jvm/java-17-openjdk, /etc/profile.d/java.sh",
        "Command: java of JAVA_HOME: exit-status",
        "Command: java of JAVA_HOME: stderr",
    ),
    _one(
        "rhel9-java",
        "authorities of its own",
        "cp --remove-destination /etc/pki/ca-trust/extracted/java/cacerts /usr/lib/jvm/jre/lib/security/cacerts",
        "Command: readlink --canonicalize-existing /usr/lib/jvm/jre/lib/security/cacerts: stdout",
    ),
    _one(
        "rhel9-java",
        "wrong mode",
        "chmod 0666 /etc/profile.d/java.sh",
        "File: /etc/profile.d/java.sh: mode",
    ),
    _one(
        "rhel9-python",
        "system's Python replaced",
        "ln -sf python3.12 /usr/bin/python3",
        "Command: /usr/bin/python3 --version: stdout",
    ),
    _one(
        "rhel9-python",
        "package gone",
        "rpm -e --justdb --nodeps python3.12-pip",
        "Package: python3.12-pip: installed",
    ),
    _one(
        "rhel9-node",
        "another release",
        r"printf '#!/bin/sh\necho v16.20.2\n' >/usr/bin/node",
        "Command: node --version: stdout",
    ),
    _one(
        "rhel9-node",
        "stream not enabled",
        "sed -i s/enabled/disabled/ /etc/dnf/modules.d/nodejs.module",
        "File: /etc/dnf/modules.d/nodejs.module: contents",
    ),
    _one("rhel9-node", "wrong mode", "chmod 0777 /usr/bin/node", "File: /usr/bin/node: mode"),
    _one(
        "rhel9-vault",
        "wrong mode",
        "chmod 0777 /usr/local/bin/vault",
        "File: /usr/local/bin/vault: mode",
    ),
    _one(
        "rhel9-vault",
        "unit masked",
        f"ln -sf /dev/null {_UNIT}/vault.service",
        "File: /etc/systemd/system/vault.service: mode",
        _VAULT_SHOWN,
    ),
    _one(
        "rhel9-vault",
        "core dumps allowed",
        f"sed -i s/^LimitCORE=.*/LimitCORE=infinity/ {_UNIT}/vault.service",
        _VAULT_SHOWN,
    ),
    _one(
        "rhel9-vault",
        "cannot reload",
        f"sed -i /^ExecReload/d {_UNIT}/vault.service",
        _VAULT_SHOWN,
    ),
    _one(
        "rhel9-vault",
        "audit logs that fill the disk",
        "rm /etc/logrotate.d/vault",
        *(
            f"File: /etc/logrotate.d/vault: {each}"
            for each in ("exists", "mode", "owner", "group", "contents")
        ),
    ),
    _one(
        "rhel9-vault",
        "rotation that Vault does not hear of",
        "sed -i /reload/d /etc/logrotate.d/vault",
        "File: /etc/logrotate.d/vault: contents",
    ),
    _one("rhel9-vault", "starts by itself", "systemctl enable vault", "Service: vault: enabled"),
    _one(
        "rhel9-vault",
        "configuration baked",
        "echo 'ui = true' >/etc/vault.d/vault.hcl",
        "File: /etc/vault.d/vault.hcl: exists",
    ),
    _one(
        "rhel9-vault",
        "configuration baked and enabled",
        "echo 'ui = true' >/etc/vault.d/vault.hcl; systemctl enable vault",
        "File: /etc/vault.d/vault.hcl: exists",
        "Service: vault: enabled",
        "Service: vault: running",
    ),
    _one(
        "payments-api",
        "unit masked",
        f"ln -sf /dev/null {_UNIT}/payments-api.service",
        "Service: payments-api: enabled",
        _PAYMENTS_SHOWN,
    ),
    _one(
        "payments-api",
        "another port",
        "sed -i s/8443/8080/ /etc/payments-api/application.properties",
        "File: /etc/payments-api/application.properties: contents",
    ),
    _one(
        "payments-api",
        "wrong mode",
        "chmod 0644 /etc/payments-api/application.properties",
        "File: /etc/payments-api/application.properties: mode",
    ),
    _one(
        "payments-api",
        "application baked",
        "touch /opt/payments-api/payments-api.jar",
        "File: /opt/payments-api/payments-api.jar: exists",
        "Service: payments-api: running",
    ),
    _one(
        "ml-worker",
        "worker can change its libraries",
        "chown ml-worker /opt/ml-worker/venv/lib",
        "Command: what others than root can change: stdout",
    ),
    _one(
        "ml-worker",
        "another library",
        "mv /opt/ml-worker/venv/lib/python3*/site-packages/numpy-2.5.5.dist-info /opt/ml-worker/gone",
        "Command: what is installed: exit-status",
    ),
)
