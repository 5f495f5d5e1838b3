"""The packages of Red Hat's Azure image of RHEL 9, as far as rules of the SCAP Security Guide ask for one.

Sources: osbuild/images, `data/distrodefs/rhel-9/imagetypes.yaml`, sets `azure_base_pkgset` and `azure-rhui` (what they
name and what they exclude), and the group `@Server` with what its packages require. The group is from memory: nobody
can read RHEL's repositories here. `bluez`, `rpcbind` or `nfs-utils` would make more rules fail before hardening.
"""

from typing import Final

RELEASE: Final = "9.6"

# imagetypes.yaml, azure_base_pkgset, `include`
_NAMED: Final = """
    bzip2 cloud-init cloud-utils-growpart efibootmgr gdisk hyperv-daemons langpacks-en lvm2 NetworkManager
    NetworkManager-cloud-setup nvme-cli patch rsync selinux-policy-targeted uuid WALinuxAgent yum-utils rng-tools
    insights-client subscription-manager
"""
# @Server, @core and what they require
_SERVER: Final = """
    acl attr audit audit-libs authselect authselect-libs basesystem bash bash-completion binutils bpftool
    ca-certificates chkconfig chrony cockpit cockpit-bridge cockpit-system cockpit-ws coreutils
    cpio cracklib cracklib-dicts crontabs cronie cronie-anacron crypto-policies crypto-policies-scripts cryptsetup-libs
    curl dbus dbus-broker dbus-common dnf dnf-plugins-core dosfstools dracut dracut-network e2fsprogs elfutils ethtool
    expat file filesystem findutils firewalld firewalld-filesystem gawk gettext glib2 glibc glibc-common gnupg2 gnutls
    gpgme grep grub2-common grub2-efi-x64 grub2-pc grub2-tools grub2-tools-minimal grubby gzip hostname hwdata
    info initscripts-service iproute iptables-libs iptables-nft iputils irqbalance json-c kbd kernel kernel-core
    kernel-modules kernel-modules-core kernel-tools kexec-tools keyutils kmod kpartx krb5-libs less libaio libcap
    libpwquality libselinux libselinux-utils libsemanage libsepol libssh libuser libxml2 linux-firmware logrotate lsof
    lsscsi man-db man-pages mdadm mtr nano ncurses nettle net-tools nftables openldap openssh openssh-clients
    openssh-server openssl openssl-libs p11-kit pam parted passwd pciutils pcre2 pinfo policycoreutils
    policycoreutils-python-utils polkit popt prefixdevname procps-ng psacct python3 python3-dnf python3-firewall
    python3-libs python3-libselinux quota readline redhat-release redhat-release-eula rootfiles rpm rpm-libs rsyslog
    rsyslog-logrotate sed selinux-policy setup sg3_utils shadow-utils smartmontools sos sqlite-libs sssd sssd-client
    sssd-common sssd-kcm strace sudo symlinks systemd systemd-libs systemd-pam systemd-udev tar tcpdump teamd
    time tpm2-tools tree tuned tzdata unzip usbutils util-linux util-linux-core vim-common vim-enhanced vim-minimal
    wget which words yum xfsdump xfsprogs xz zip zlib
"""
NAMES: Final = tuple(sorted({*_NAMED.split(), *_SERVER.split()}))
# Red Hat's two keys, as pseudo packages: name, version, release. From the rule `ensure_redhat_gpgkey_installed`.
KEYS: Final = (("gpg-pubkey", "fd431d51", "4ae0493b"), ("gpg-pubkey", "5a6340b3", "6229229e"))
