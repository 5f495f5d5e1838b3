#!/usr/bin/env bash
# A machine booted from this image is healthy: systemd has no failed unit, SELinux enforces, time is kept, and
# software can be installed from Red Hat's repositories.
set -euo pipefail

state=$(timeout 180 systemctl is-system-running --wait || true)
if [[ $state != running ]]; then
  systemctl list-units --failed --no-legend
  echo "smoke: systemd is '$state', not 'running'" >&2
  exit 1
fi
[[ $(getenforce) == Enforcing ]] || { echo "smoke: SELinux does not enforce" >&2; exit 1; }
chronyc -n tracking
found=$(timeout 300 dnf --quiet repoquery --available --latest-limit 1 bash)
grep --quiet '^bash-' <<<"$found"
echo "smoke: healthy"
