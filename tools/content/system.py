"""Disks, boot, logs, services and remote access of the made root, in the parts that rules read."""

from typing import Final

from tools.content.packages import RELEASE
from tools.content.root_file import RootFile

_OSBUILD: Final = "osbuild/images, imagetypes.yaml, azure_image_config_base"
_DISKS: Final = "osbuild/images, imagetypes.yaml, partition table of `azure`"
_EFI: Final = "/boot/efi/EFI/redhat"

# Mount point, kind, options: the logical volumes of `rootvg`, /boot and the EFI partition.
VOLUMES: Final = (
    ("/", "xfs", "defaults"),
    ("/boot", "xfs", "defaults"),
    ("/boot/efi", "vfat", "defaults,uid=0,gid=0,umask=077,shortname=winnt"),
    ("/home", "xfs", "defaults"),
    ("/tmp", "xfs", "defaults"),  # noqa: S108 - a mount point of the image, no file of ours
    ("/usr", "xfs", "defaults"),
    ("/var", "xfs", "defaults"),
)
# What systemd mounts at boot: its own options for /dev/shm.
_KERNEL_MOUNTS: Final = "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n"

ENABLED: Final = (
    *("auditd", "chronyd", "crond", "firewalld", "irqbalance", "rsyslog", "sshd", "sssd", "waagent"),
    *("NetworkManager", "kdump", "rngd", "nm-cloud-setup", "tuned"),
)
_FSTAB: Final = "".join(
    f"UUID=made{number:04} {point} {kind} {options} 0 0\n"
    for number, (point, kind, options) in enumerate(VOLUMES)
)
_RELEASE: Final = f"Red Hat Enterprise Linux release {RELEASE} (Plow)\n"
_OS_RELEASE: Final = f"""\
NAME="Red Hat Enterprise Linux"
VERSION="{RELEASE} (Plow)"
ID="rhel"
VERSION_ID="{RELEASE}"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux {RELEASE} (Plow)"
CPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"
"""
_SSHD: Final = """\
Include /etc/ssh/sshd_config.d/*.conf
AuthorizedKeysFile\t.ssh/authorized_keys
ClientAliveInterval 180
Subsystem\tsftp\t/usr/libexec/openssh/sftp-server
"""
_SSHD_REDHAT: Final = """\
Include /etc/crypto-policies/back-ends/opensshserver.config
SyslogFacility AUTHPRIV
ChallengeResponseAuthentication no
GSSAPIAuthentication yes
GSSAPICleanupCredentials no
UsePAM yes
X11Forwarding yes
PrintMotd no
"""
_GRUB: Final = """\
GRUB_TIMEOUT=10
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_DISABLE_RECOVERY=true
GRUB_ENABLE_BLSCFG=true
GRUB_TIMEOUT_STYLE=countdown
GRUB_CMDLINE_LINUX="ro loglevel=3 console=tty1 console=ttyS0 earlyprintk=ttyS0 rootdelay=300"
"""
_ENTRY: Final = """\
title Red Hat Enterprise Linux (5.14.0-570.el9.x86_64) 9.6 (Plow)
version 5.14.0-570.el9.x86_64
linux /vmlinuz-5.14.0-570.el9.x86_64
initrd /initramfs-5.14.0-570.el9.x86_64.img
options root=/dev/mapper/rootvg-rootlv ro loglevel=3 console=tty1 console=ttyS0 earlyprintk=ttyS0 rootdelay=300
"""
_RSYSLOG: Final = """\
module(load="imuxsock" SysSock.Use="off")
module(load="imjournal" StateFile="imjournal.state")
include(file="/etc/rsyslog.d/*.conf" mode="optional")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
authpriv.*                                              /var/log/secure
mail.*                                                  -/var/log/maillog
cron.*                                                  /var/log/cron
*.emerg                                                 :omusrmsg:*
"""
_AUDITD: Final = """\
local_events = yes
write_logs = yes
log_file = /var/log/audit/audit.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 5
name_format = NONE
max_log_file_action = ROTATE
space_left = 75
space_left_action = SYSLOG
action_mail_acct = root
admin_space_left = 50
admin_space_left_action = SUSPEND
disk_full_action = SUSPEND
disk_error_action = SUSPEND
overflow_action = SYSLOG
"""
_CRONTAB: Final = "SHELL=/bin/bash\nPATH=/sbin:/bin:/usr/sbin:/usr/bin\nMAILTO=root\n"
_RESCUE: Final = "[Service]\nExecStart=-/usr/lib/systemd/systemd-sulogin-shell rescue\n"
_OPENSSL: Final = """\
[ openssl_init ]
ssl_conf = ssl_module
[ crypto_policy ]
.include = /etc/crypto-policies/back-ends/opensslcnf.config
"""
_UNIT_TEXTS: Final = {"auditd": "[Service]\nExecStartPost=-/sbin/augenrules --load\n"}
_SYSCTL: Final = """\
kernel.yama.ptrace_scope = 0
net.ipv4.conf.default.rp_filter = 2
net.ipv4.conf.*.rp_filter = 2
net.ipv4.conf.default.accept_source_route = 0
fs.protected_hardlinks = 1
fs.protected_symlinks = 1
"""


def _etc(name: str, text: str, source: str, mode: int = 0o644) -> RootFile:
    return RootFile(path=f"/etc/{name}", text=text, source=source, mode=mode)


FILES: Final = (
    _etc("redhat-release", _RELEASE, "package redhat-release"),
    _etc("system-release", _RELEASE, "package redhat-release"),
    _etc("os-release", _OS_RELEASE, "package redhat-release"),
    _etc("fstab", _FSTAB, _DISKS),
    _etc("hostname", "localhost\n", "the image"),
    _etc("hosts", "127.0.0.1 localhost\n", "package setup"),
    _etc("resolv.conf", "nameserver 168.63.129.16\n", "Azure's own resolver"),
    _etc("shells", "/bin/sh\n/bin/bash\n", "package setup"),
    _etc("motd", "", "package setup"),
    _etc("issue", "\\S\nKernel \\r on an \\m\n\n", "package redhat-release"),
    _etc("issue.net", "\\S\nKernel \\r on an \\m\n", "package redhat-release"),
    _etc("ssh/sshd_config", _SSHD, f"package openssh-server, and {_OSBUILD}, sshd_config", 0o600),
    _etc("ssh/sshd_config.d/50-redhat.conf", _SSHD_REDHAT, "package openssh-server", 0o600),
    _etc("ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication no\n", "cloud-init on Azure", 0o600),
    _etc("ssh/ssh_config", "Include /etc/ssh/ssh_config.d/*.conf\n", "package openssh-clients"),
    _etc("sysconfig/sshd", "# OPTIONS=\n", "package openssh-server", 0o640),
    _etc("sysconfig/chronyd", 'OPTIONS="-F 2"\n', "package chrony"),
    _etc("crypto-policies/config", "DEFAULT\n", "package crypto-policies"),
    _etc("crypto-policies/state/current", "DEFAULT\n", "package crypto-policies"),
    *(
        _etc(f"crypto-policies/back-ends/{name}.config", "\n", "package crypto-policies")
        for name in ("nss", "opensshserver", "openssh", "libreswan", "krb5", "bind", "gnutls", "openssl")
    ),
    _etc(
        "crypto-policies/back-ends/opensslcnf.config",
        "TLS.MinProtocol = TLSv1.2\nDTLS.MinProtocol = DTLSv1.2\n",
        "package crypto-policies",
    ),
    _etc("pki/tls/openssl.cnf", _OPENSSL, "package openssl-libs"),
    _etc("default/grub", _GRUB, f"{_OSBUILD}, grub2_config and kernel_options"),
    RootFile(path="/boot/grub2/grub.cfg", text="# grub2-mkconfig\n", source="package grub2-pc", mode=0o600),
    RootFile(path="/boot/grub2/grubenv", text="# GRUB Environment Block\n", source="package grub2-tools"),
    RootFile(path=f"{_EFI}/grub.cfg", text="# grub2-mkconfig\n", source="package grub2-efi-x64", mode=0o700),
    RootFile(path="/boot/loader/entries/made-5.14.0-570.el9.x86_64.conf", text=_ENTRY, source=_OSBUILD),
    _etc("selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n", "package selinux-policy-targeted"),
    _etc(
        "chrony.conf",
        "pool 2.rhel.pool.ntp.org iburst\nrefclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0\n",
        "package chrony, and imagetypes.yaml, time_synchronization",
    ),
    _etc("dnf/dnf.conf", "[main]\ngpgcheck=1\ninstallonly_limit=3\nbest=True\n", "package dnf"),
    _etc(
        "yum.repos.d/rh-cloud.repo",
        "[rhui-rhel-9-baseos]\nname=BaseOS\nenabled=1\ngpgcheck=1\n",
        "Azure's RHUI client",
    ),
    _etc("rsyslog.conf", _RSYSLOG, "package rsyslog"),
    _etc("systemd/journald.conf", "[Journal]\n#Storage=auto\n", "package systemd"),
    _etc("systemd/coredump.conf", "[Coredump]\n#Storage=external\n", "package systemd"),
    _etc("systemd/system.conf", "[Manager]\n", "package systemd"),
    _etc("systemd/logind.conf", "[Login]\n", "package systemd"),
    _etc("sysctl.conf", "# sysctl settings are defined in /usr/lib/sysctl.d\n", "package systemd"),
    RootFile(
        path="/usr/lib/sysctl.d/50-redhat.conf", text=_SYSCTL, source="packages systemd, redhat-release"
    ),
    _etc("audit/auditd.conf", _AUDITD, "package audit", 0o640),
    _etc("audit/audit.rules", "-D\n-b 8192\n", "package audit", 0o640),
    _etc(
        "audit/rules.d/audit.rules", "-D\n-b 8192\n--backlog_wait_time 60000\n-f 1\n", "package audit", 0o600
    ),
    _etc("crontab", _CRONTAB, "package crontabs"),
    _etc("anacrontab", "SHELL=/bin/sh\n", "package cronie-anacron", 0o600),
    _etc("cron.deny", "", "package cronie", 0o600),
    _etc("cron.d/0hourly", "01 * * * * root run-parts /etc/cron.hourly\n", "package cronie"),
    _etc("firewalld/firewalld.conf", "DefaultZone=public\nIPv6_rpfilter=yes\n", "package firewalld"),
    _etc("modprobe.d/blacklist-floppy.conf", "blacklist floppy\n", f"{_OSBUILD}, modprobe"),
    _etc("modprobe.d/blacklist-nouveau.conf", "blacklist nouveau\n", f"{_OSBUILD}, modprobe"),
    _etc("waagent.conf", "ResourceDisk.Format=n\nResourceDisk.EnableSwap=n\n", f"{_OSBUILD}, waagent_config"),
    RootFile(path="/usr/lib/systemd/system/rescue.service", text=_RESCUE, source="package systemd"),
    RootFile(
        path="/usr/lib/systemd/system/emergency.service",
        text=_RESCUE.replace("rescue", "emergency"),
        source="package systemd",
    ),
    *(
        RootFile(
            path=f"/usr/lib/systemd/system/{target}.target",
            text=f"[Unit]\nRequires=sysinit.target {service}.service\n",
            source="package systemd",
        )
        for target, service in (("runlevel1", "rescue"), ("emergency", "emergency"))
    ),
    *(
        RootFile(
            path=f"/usr/lib/systemd/system/{name}.service",
            text=_UNIT_TEXTS.get(name, "[Service]\n"),
            source="its package",
        )
        for name in ENABLED
    ),
    *(
        RootFile(path=f"/var/log/{name}", text="", source="package rsyslog", mode=0o600)
        for name in ("messages", "secure", "cron", "maillog")
    ),
)
# Folders, with their modes; all belong to root.
FOLDERS: Final = (
    *((f"/etc/cron.{each}", 0o755) for each in ("d", "hourly", "daily", "weekly", "monthly")),
    *((f"/{each}", 0o755) for each in ("dev", "proc", "sys", "run", "mnt", "opt", "srv", "media", "home")),
    ("/root", 0o550),
    ("/tmp", 0o1777),  # noqa: S108 - a folder of the image
    ("/var/tmp", 0o1777),  # noqa: S108 - a folder of the image
    ("/var/log/audit", 0o700),
    ("/sys/firmware/efi", 0o755),  # a machine of generation 2
    ("/var/lib/aide", 0o700),
    ("/etc/profile.d", 0o755),
    ("/etc/rsyslog.d", 0o755),
    ("/etc/sysctl.d", 0o755),
    ("/etc/audit/rules.d", 0o750),
    ("/etc/sudoers.d", 0o750),
    ("/etc/security/pwquality.conf.d", 0o755),
    ("/etc/ssh/ssh_config.d", 0o755),
    ("/etc/skel", 0o755),
    ("/etc/krb5.conf.d", 0o755),
    ("/etc/dconf/db", 0o755),
    ("/etc/security/limits.d", 0o755),
    ("/etc/modprobe.d", 0o755),
    ("/usr/sbin", 0o755),
    ("/usr/bin", 0o755),
    ("/usr/lib64", 0o755),
    ("/usr/local/bin", 0o755),
    ("/usr/local/sbin", 0o755),
    ("/etc/systemd/system", 0o755),
)
LINKS: Final = (
    *((f"/{name}", f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")),
    ("/etc/krb5.conf.d/crypto-policies", "/etc/crypto-policies/back-ends/krb5.config"),
    ("/etc/localtime", "../usr/share/zoneinfo/Etc/UTC"),
    # osbuild/images, imagetypes.yaml, default_target
    ("/etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target"),
    *(
        (
            f"/etc/systemd/system/multi-user.target.wants/{name}.service",
            f"/usr/lib/systemd/system/{name}.service",
        )
        for name in ENABLED
    ),
)


def mounted(fstab: str) -> str:
    """What /proc/mounts would show after a boot with this fstab: the options of each line, `defaults` resolved."""
    lines, seen = [], set[str]()
    for line in fstab.splitlines():
        words = line.split()
        if len(words) < 4 or words[0].startswith("#"):
            continue
        seen.add(words[1])
        options = ",".join(["rw", *(word for word in words[3].split(",") if word != "defaults")])
        lines.append(f"/dev/mapper/made {words[1]} {words[2]} {options} 0 0\n")
    return "".join(lines) + ("" if "/dev/shm" in seen else _KERNEL_MOUNTS)  # noqa: S108 - a mount point of the image
