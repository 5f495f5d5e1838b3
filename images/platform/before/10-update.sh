#!/usr/bin/env bash
# Installs all updates that Red Hat has published. If a kernel is among them, the next start has another kernel than now,
# and 12-restart.sh restarts the machine: then 13-kernels.sh can remove the old one, and the image is tested with the new.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}

# The client certificate of Azure's update servers lasts about two years, and an older image has one that has ended. A
# newer client package brings a newer one, from a repository that needs none (learn.microsoft.com, "Troubleshoot RHUI
# certificate issues in Azure"). Machines without this repository have other sources.
if ! said=$(LC_ALL=C dnf --assumeyes --refresh --disablerepo='*' --enablerepo='*microsoft-azure*' upgrade 2>&1); then
  if [[ $said != *"Unknown repo: '*microsoft-azure*'"* ]]; then
    printf '%s\n' "$said" >&2
    echo "update: the client package of Azure's update servers cannot be renewed" >&2
    exit 1
  fi
  said="update: this machine does not use Azure's update servers, so there is no certificate to renew"
fi
printf '%s\n' "$said"

dnf --assumeyes --refresh upgrade

running=$(uname --kernel-release)
next=$(grubby --default-kernel)
next=${next##*/vmlinuz-}
if [[ $next != "$running" ]]; then
  echo "the kernel $next was installed, and $running runs" >>"$root/restart-wanted"
fi

# The check: nothing is left to update. Otherwise dnf ends with 100.
dnf --quiet check-upgrade
