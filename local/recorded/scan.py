"""The output of a compliance scanner: a small XCCDF results file and its page, always marked as simulated.

It needs only the standard library and is quick to import. All images get the same score, so that no child is below its
parent.
"""

from html import escape  # xml.sax.saxutils would load the whole HTTP client of Python

_PREFIX = "xccdf_org.ssgproject.content"
_RULES = (
    ("sshd_disable_root_login", "high", "Nobody logs in as root over SSH"),
    ("sshd_disable_empty_passwords", "high", "SSH refuses empty passwords"),
    ("no_empty_passwords", "high", "No account has an empty password"),
    ("ensure_gpgcheck_globally_activated", "high", "Packages are installed only when they are signed"),
    ("configure_crypto_policy", "high", "A system-wide policy for cryptography is in force"),
    ("selinux_state", "high", "SELinux is enforcing"),
    ("package_telnet-server_removed", "high", "There is no telnet server"),
    ("grub2_password", "high", "The boot loader asks for a password"),
    ("selinux_policytype", "medium", "SELinux has a targeted policy"),
    ("service_auditd_enabled", "medium", "Auditing starts with the machine"),
    ("service_chronyd_enabled", "medium", "The clock is kept by chrony"),
    ("service_firewalld_enabled", "medium", "The firewall starts with the machine"),
    ("sshd_set_idle_timeout", "medium", "Idle SSH sessions end"),
    ("sshd_set_max_auth_tries", "medium", "SSH allows few attempts to log in"),
    ("sshd_do_not_permit_user_env", "medium", "Users cannot set the environment of SSH sessions"),
    ("disable_host_auth", "medium", "SSH does not trust hosts"),
    ("accounts_password_pam_minlen", "medium", "Passwords have a least length"),
    ("accounts_maximum_age_login_defs", "medium", "Passwords expire"),
    ("accounts_umask_etc_profile", "medium", "New files are private"),
    ("file_permissions_etc_shadow", "medium", "Only root reads the password hashes"),
    ("file_permissions_etc_passwd", "medium", "Only root changes the accounts"),
    ("sysctl_net_ipv4_ip_forward", "medium", "The machine forwards no packets"),
    ("sysctl_net_ipv4_conf_all_accept_redirects", "medium", "Redirects are not followed"),
    ("sysctl_kernel_randomize_va_space", "medium", "Addresses are random"),
    ("package_tftp-server_removed", "low", "There is no TFTP server"),
    ("kernel_module_cramfs_disabled", "low", "The file system cramfs cannot be loaded"),
    ("kernel_module_dccp_disabled", "low", "The protocol DCCP cannot be loaded"),
    ("partition_for_tmp", "low", "Temporary files have a file system of their own"),
)
_OTHERS = (
    ("wireless_disable_interfaces", "medium", "There is no wireless network", "notapplicable"),
    ("gid_passwd_group_same", "low", "Every group of an account exists", "notchecked"),
)
_FAILING = {True: frozenset({"partition_for_tmp"}), False: frozenset(rule for rule, *_ in _RULES[::2])}


def results(profile: str, *, is_good: bool) -> str:
    """An XCCDF 1.2 benchmark with the results of a scan by it."""
    scanned = [(*rule, "fail" if rule[0] in _FAILING[is_good] else "pass") for rule in _RULES]
    score = 100 * sum(1 for *_, result in scanned if result == "pass") / len(scanned)
    scanned += _OTHERS
    rules = "".join(
        f'  <Rule id="{_PREFIX}_rule_{rule}" severity="{severity}" selected="true">'
        f"<title>{escape(title, quote=False)}</title></Rule>\n"
        for rule, severity, title, _ in scanned
    )
    found = "".join(
        f'    <rule-result idref="{_PREFIX}_rule_{rule}" severity="{severity}">'
        f"<result>{result}</result></rule-result>\n"
        for rule, severity, _, result in scanned
    )
    used = escape(f"{_PREFIX}_profile_{profile}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2" id="{_PREFIX}_benchmark_RHEL-9" resolved="1">\n'
        "  <status>draft</status>\n  <version>0</version>\n"
        f"{rules}"
        '  <TestResult id="xccdf_org.open-scap_testresult_simulated" test-system="simulated" version="0"'
        ' start-time="2026-01-01T00:00:00Z" end-time="2026-01-01T00:00:00Z">\n'
        "    <title>Simulated: no scanner has run</title>\n"
        f'    <profile idref="{used}"/>\n'
        "    <target>simulated</target>\n"
        f"{found}"
        f'    <score system="urn:xccdf:scoring:default" maximum="100.000000">{score:f}</score>\n'
        "  </TestResult>\n</Benchmark>\n"
    )


def page(profile: str, *, is_good: bool) -> str:
    """The page for people."""
    failed = "".join(f"<li>{escape(rule, quote=False)}</li>" for rule in sorted(_FAILING[is_good]))
    used = escape(profile, quote=False)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated scan</title>'
        f"<h1>Simulated: no scanner has run</h1><p>Profile {used}. Failed:</p><ul>{failed}</ul></html>\n"
    )
