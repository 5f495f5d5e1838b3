#!/usr/bin/env bash
# Installs the packages that every server needs beyond Red Hat's minimum: time, audit, logs, and SELinux's tools.
# Hardening is a step of the platform (images/platform/roots), so that no base can leave it out.
set -euo pipefail

packages=(audit chrony policycoreutils-python-utils rsyslog tar unzip)
services=(auditd chronyd rsyslog)

dnf --assumeyes --setopt=install_weak_deps=False install "${packages[@]}"
for service in "${services[@]}"; do
  systemctl enable "$service"
done

# The check: all of it is installed, and starts with the next boot.
rpm --query "${packages[@]}"
for service in "${services[@]}"; do
  systemctl is-enabled --quiet "$service"
done
