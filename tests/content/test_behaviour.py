"""What the system does with its settings, asked of real programs inside the hardened root. No test reads a setting.

The root's files are RHEL's, the programs are Debian's of the same projects. What needs a running kernel (`auditctl -s`,
`findmnt`) is asked on the booted machine, by platform/verify/invariants.yaml.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import optional_tools
from tools.content import accounts, guest
from tools.content.harden import HardenedRoot

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]

Shell = Callable[[str], guest.GuestRun]


@pytest.fixture
def shell(hardened: HardenedRoot) -> Shell:
    """Runs a line of bash in the hardened root."""
    if not optional_tools.is_here("pwscore"):
        optional_tools.missing("content", "pwscore is missing: install Debian's libpwquality-tools")
    return lambda line: _run(hardened.root, line)


def _run(root: Path, line: str) -> guest.GuestRun:
    """Debian's cracklib looks for its words in /var/cache, which is the root's own."""
    words = f"mkdir -p /var/cache && ln -sfn /run/guest/words /var/cache/cracklib && {line}"
    shared = {"words": Path("/var/cache/cracklib")}
    return guest.run(root, ["/usr/bin/bash", "-c", words], shared=shared, limit=60)


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("Xk7qw9Zt", False),  # 8 characters, 3 kinds: what Azure's own settings take
        ("wqzkvjxmtrplhgdb", False),  # one kind
        ("Xk7qw9Zt2LmRpV", False),  # three kinds
        ("Xk7-qw9Zt+LmRpV", True),
    ],
)
def test_short_and_simple_passwords_are_refused(shell: Shell, password: str, *, accepted: bool) -> None:
    assert (shell(f"printf '%s\\n' '{password}' | pwscore").code == 0) is accepted


def test_azures_own_settings_would_take_a_short_password(made: Path) -> None:
    assert _run(made, "echo Xk7qw9Zt | pwscore").code == 0


def test_sshd_follows_the_role(shell: Shell) -> None:
    told = shell("/usr/sbin/sshd -T").output.lower().splitlines()
    assert {
        *("permitrootlogin no", "passwordauthentication no", "permitemptypasswords no", "x11forwarding no"),
        *("maxauthtries 4", "clientaliveinterval 15", "clientalivecountmax 3", "hostbasedauthentication no"),
        *("banner /etc/issue.net", "logingracetime 60", "usepam yes", "loglevel verbose"),
    } <= set(told)
    (ciphers,) = [line for line in told if line.startswith("ciphers ")]
    (macs,) = [line for line in told if line.startswith("macs ")]
    assert not [each for each in ciphers.split()[1].split(",") if "cbc" in each or "chacha" in each]
    assert not [
        each for each in macs.split()[1].split(",") if "sha1" in each or "umac" in each or "md5" in each
    ]


def test_sudo_takes_the_rules_and_gives_them_to_the_first_user_only(shell: Shell) -> None:
    assert shell("visudo -c").code == 0
    mine = shell(f"sudo -l -U {accounts.ADMIN}").output
    assert "NOPASSWD: ALL" in mine
    assert "use_pty" in mine
    assert "timestamp_timeout=5" in mine
    assert "is not allowed to run sudo" in shell("sudo -l -U nobody").output


def test_a_login_shell_ends_by_itself_and_nobody_changes_that(shell: Shell) -> None:
    assert 'declare -rx TMOUT="900"' in shell("bash -lc 'readonly -p'").output
    assert shell("bash -lc 'TMOUT=0'").code != 0


def test_new_files_are_not_for_others(shell: Shell) -> None:
    assert shell("bash -lc umask").output.strip().endswith("027")
    assert shell("bash -c '. /etc/bashrc; umask'").output.strip().endswith("027")


def test_the_group_that_may_use_su_has_no_members(shell: Shell) -> None:
    name, _, _, members = shell("getent group sugroup").output.strip().split(":")
    assert (name, members) == ("sugroup", "")


def test_accounts_lock_30_days_after_their_password_ended(shell: Shell) -> None:
    assert "INACTIVE=30" in shell("useradd -D").output
    shell("useradd --no-create-home trial")
    try:
        assert "trial:!:" in shell("getent shadow trial").output
        assert shell("getent shadow trial").output.split(":")[6] == "30"
    finally:
        shell("userdel trial")
