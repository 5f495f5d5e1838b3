"""Accounts, PAM, login and sudo of the made root, as RHEL 9's packages leave them. Written from the rules' own words.

Azure's first user is there as cloud-init makes it, because Packer and every deployed machine have one.
"""

from typing import Final

from tools.content.root_file import RootFile

_SYSTEM: Final = (
    ("root", 0, 0, "/root", "/bin/bash"),
    ("bin", 1, 1, "/bin", "/sbin/nologin"),
    ("daemon", 2, 2, "/sbin", "/sbin/nologin"),
    ("adm", 3, 4, "/var/adm", "/sbin/nologin"),
    ("lp", 4, 7, "/var/spool/lpd", "/sbin/nologin"),
    ("sync", 5, 0, "/sbin", "/bin/sync"),
    ("shutdown", 6, 0, "/sbin", "/sbin/shutdown"),
    ("halt", 7, 0, "/sbin", "/sbin/halt"),
    ("mail", 8, 12, "/var/spool/mail", "/sbin/nologin"),
    ("operator", 11, 0, "/root", "/sbin/nologin"),
    ("games", 12, 100, "/usr/games", "/sbin/nologin"),
    ("ftp", 14, 50, "/var/ftp", "/sbin/nologin"),
    ("nobody", 65534, 65534, "/", "/sbin/nologin"),
    ("systemd-coredump", 999, 997, "/", "/sbin/nologin"),
    ("dbus", 81, 81, "/", "/sbin/nologin"),
    ("polkitd", 998, 996, "/", "/sbin/nologin"),
    ("sssd", 997, 995, "/", "/sbin/nologin"),
    ("chrony", 996, 994, "/var/lib/chrony", "/sbin/nologin"),
    ("sshd", 74, 74, "/usr/share/empty.sshd", "/sbin/nologin"),
    ("tcpdump", 72, 72, "/", "/sbin/nologin"),
)
ADMIN: Final = "azureuser"
_GROUPS: Final = (
    *(("root", 0), ("bin", 1), ("daemon", 2), ("sys", 3), ("adm", 4), ("tty", 5), ("disk", 6), ("lp", 7)),
    *(("mem", 8), ("kmem", 9), ("wheel", 10), ("cdrom", 11), ("mail", 12), ("man", 15), ("dialout", 18)),
    *(("floppy", 19), ("games", 20), ("tape", 33), ("video", 39), ("ftp", 50), ("lock", 54), ("audio", 63)),
    *(("users", 100), ("nobody", 65534), ("utmp", 22), ("systemd-journal", 190), ("systemd-coredump", 997)),
    *(("dbus", 81), ("polkitd", 996), ("sssd", 995), ("chrony", 994), ("sshd", 74), ("tcpdump", 72)),
    *(("ssh_keys", 101), (ADMIN, 1000)),
)
_SETUP: Final = "package setup"

_PASSWD: Final = "".join(
    [f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n" for name, uid, gid, home, shell in _SYSTEM]
    + [f"{ADMIN}:x:1000:1000::/home/{ADMIN}:/bin/bash\n"]
)
# waagent deletes root's password and locks the first user's, so no account has one.
_SHADOW: Final = "".join(
    [f"{name}:*:19760:0:99999:7:::\n" for name, *_ in _SYSTEM] + [f"{ADMIN}:!!:20000:0:99999:7:::\n"]
)
_GROUP: Final = "".join(f"{name}:x:{gid}:{ADMIN if name == 'wheel' else ''}\n" for name, gid in _GROUPS)
_GSHADOW: Final = "".join(f"{name}:::{ADMIN if name == 'wheel' else ''}\n" for name, _ in _GROUPS)

# authselect's profile "minimal": a line may hold a condition, which the stand-in of tests understands too.
PAM_STACK: Final = """\
auth        required    pam_env.so
auth        required    pam_faildelay.so delay=2000000
auth        required    pam_faillock.so preauth silent  {include if "with-faillock"}
auth        sufficient    pam_unix.so {if not "without-nullok":nullok}
auth        required    pam_faillock.so authfail        {include if "with-faillock"}
auth        required    pam_deny.so

account     required    pam_faillock.so                 {include if "with-faillock"}
account     required    pam_unix.so

password    requisite    pam_pwquality.so
password    requisite    pam_pwhistory.so use_authtok    {include if "with-pwhistory"}
password    sufficient    pam_unix.so sha512 shadow {if not "without-nullok":nullok} use_authtok
password    required    pam_deny.so

session     optional    pam_keyinit.so revoke
session     required    pam_limits.so
-session    optional    pam_systemd.so
session     [success=1 default=ignore]                   pam_succeed_if.so service in crond quiet use_uid
session     required    pam_unix.so
"""
_POSTLOGIN: Final = """\
session optional                   pam_umask.so silent
session [success=1 default=ignore] pam_succeed_if.so service !~ gdm* service !~ su* quiet
session [default=1]                pam_lastlog.so nowtmp
session optional                   pam_lastlog.so silent noupdate showfailed
"""
_DENY: Final = "auth required pam_deny.so\n"
PROFILE: Final = "/usr/share/authselect/default/minimal"
_SU: Final = """\
#%PAM-1.0
auth\t\trequired\tpam_env.so
auth\t\tsufficient\tpam_rootok.so
#auth\t\tsufficient\tpam_wheel.so trust use_uid
#auth\t\trequired\tpam_wheel.so use_uid
auth\t\tsubstack\tsystem-auth
auth\t\tinclude\t\tpostlogin
account\t\tsufficient\tpam_succeed_if.so uid = 0 use_uid quiet
account\t\tinclude\t\tsystem-auth
password\tinclude\t\tsystem-auth
session\t\tinclude\t\tsystem-auth
session\t\tinclude\t\tpostlogin
session\t\toptional\tpam_xauth.so
"""
_LOGIN_DEFS: Final = """\
MAIL_DIR\t/var/spool/mail
UMASK\t\t022
HOME_MODE\t0700
PASS_MAX_DAYS\t99999
PASS_MIN_DAYS\t0
PASS_WARN_AGE\t7
UID_MIN                  1000
UID_MAX                 60000
SYS_UID_MIN               201
SYS_UID_MAX               999
GID_MIN                  1000
GID_MAX                 60000
CREATE_HOME\tyes
USERGROUPS_ENAB yes
ENCRYPT_METHOD SHA512
"""
_PROFILE: Final = """\
if [ $UID -gt 199 ] && [ "`/usr/bin/id -gn`" = "`/usr/bin/id -un`" ]; then
    umask 002
else
    umask 022
fi
for i in /etc/profile.d/*.sh ; do
    [ -r "$i" ] && . "$i"
done
"""
_BASHRC: Final = """\
if ! shopt -q login_shell ; then
    if [ $UID -gt 199 ] && [ "`/usr/bin/id -gn`" = "`/usr/bin/id -un`" ]; then
       umask 002
    else
       umask 022
    fi
fi
"""
_CSH: Final = """\
if ($uid > 199 && "`id -gn`" == "`id -un`") then
    umask 002
else
    umask 022
endif
"""
_SUDOERS: Final = """\
Defaults   !visiblepw
Defaults    always_set_home
Defaults    match_group_by_gid
Defaults    always_query_group_plugin
Defaults    env_reset
Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin
root\tALL=(ALL) \tALL
%wheel\tALL=(ALL)\tALL
#includedir /etc/sudoers.d
"""
_OSBUILD: Final = "osbuild/images, imagetypes.yaml, azure_image_config_base"

FILES: Final = (
    *(RootFile(path=f"/etc/passwd{end}", text=_PASSWD, source=_SETUP) for end in ("", "-")),
    *(RootFile(path=f"/etc/group{end}", text=_GROUP, source=_SETUP) for end in ("", "-")),
    *(RootFile(path=f"/etc/shadow{end}", text=_SHADOW, source=_SETUP, mode=0) for end in ("", "-")),
    *(RootFile(path=f"/etc/gshadow{end}", text=_GSHADOW, source=_SETUP, mode=0) for end in ("", "-")),
    *(
        RootFile(path=f"{PROFILE}/{name}", text=PAM_STACK, source="package authselect, profile minimal")
        for name in ("system-auth", "password-auth")
    ),
    RootFile(path=f"{PROFILE}/postlogin", text=_POSTLOGIN, source="package authselect, profile minimal"),
    *(
        RootFile(path=f"{PROFILE}/{name}", text=_DENY, source="package authselect, profile minimal")
        for name in ("fingerprint-auth", "smartcard-auth")
    ),
    RootFile(
        path="/etc/pam.d/sudo",
        text="#%PAM-1.0\nauth include system-auth\naccount include system-auth\nsession include system-auth\n",
        source="package sudo",
    ),
    RootFile(path="/etc/pam.d/su", text=_SU, source="package util-linux"),
    RootFile(path="/etc/login.defs", text=_LOGIN_DEFS, source="package shadow-utils"),
    RootFile(
        path="/etc/default/useradd",
        text="GROUP=100\nHOME=/home\nINACTIVE=-1\nEXPIRE=\nSHELL=/bin/bash\nSKEL=/etc/skel\n",
        source="package shadow-utils",
    ),
    RootFile(
        path="/etc/libuser.conf",
        text="[import]\nlogin_defs = /etc/login.defs\n[defaults]\ncrypt_style = sha512\n",
        source="package libuser",
    ),
    RootFile(path="/etc/profile", text=_PROFILE, source=_SETUP),
    RootFile(path="/etc/bashrc", text=_BASHRC, source=_SETUP),
    RootFile(path="/etc/csh.cshrc", text=_CSH, source=_SETUP),
    RootFile(
        path="/etc/security/pwquality.conf",
        text="minlen = 6\nminclass = 3\ndcredit = 0\nucredit = 0\nlcredit = 0\nocredit = 0\n",
        source=f"{_OSBUILD}, pwquality",
    ),
    RootFile(
        path="/etc/security/faillock.conf",
        text="# dir = /var/run/faillock\n# deny = 3\n",
        source="package pam",
    ),
    RootFile(
        path="/etc/security/pwhistory.conf", text="# debug\n# remember = 10\n", source="package pam of 9.3"
    ),
    RootFile(path="/etc/security/limits.conf", text="# End of file\n", source="package pam"),
    RootFile(path="/etc/sudoers", text=_SUDOERS, source="package sudo", mode=0o440),
    RootFile(
        path="/etc/sudoers.d/90-cloud-init-users",
        text=f"{ADMIN} ALL=(ALL) NOPASSWD:ALL\n",
        source="cloud-init, which makes Azure's first user",
        mode=0o440,
    ),
    RootFile(
        path="/etc/sudoers.d/waagent",
        text=f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n",
        source="waagent, where it makes the first user",
        mode=0o440,
    ),
)
