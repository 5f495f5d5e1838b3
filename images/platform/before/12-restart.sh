#!/usr/bin/env bash
# Restarts the machine, once, if a step before asked for it: a new kernel, or FIPS mode. The builder expects it here and
# nowhere else: it waits until the machine is up again, and stages everything anew.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}
wanted=$root/restart-wanted # one reason a line

if [[ ! -s $wanted ]]; then
  echo "restart: nothing asks for it"
  exit 0
fi
sed 's/^/restart: /' "$wanted"

# The builder compares this with the boot that it meets. Like everything here it is in memory, and gone after it.
cat /proc/sys/kernel/random/boot_id >"$root/restarting"
# By systemd and not by this session, which ends well before.
systemd-run --quiet --on-active=5 --timer-property=AccuracySec=1s systemctl reboot

# The check: the builder knows that it has to wait.
[[ -s $root/restarting ]]
