#!/usr/bin/env bash
# Installs all updates that Red Hat has published. If a kernel is among them, the next start has another kernel than now,
# and 12-restart.sh restarts the machine: then 13-kernels.sh can remove the old one, and the image is tested with the new.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}

dnf --assumeyes --refresh upgrade

running=$(uname --kernel-release)
next=$(grubby --default-kernel)
next=${next##*/vmlinuz-}
if [[ $next != "$running" ]]; then
  echo "the kernel $next was installed, and $running runs" >>"$root/restart-wanted"
fi

# The check: nothing is left to update. Otherwise dnf ends with 100.
dnf --quiet check-upgrade
