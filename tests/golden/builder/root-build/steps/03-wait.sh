#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
printf '%s\n' 'imagefactory: step 3 of 12: platform: wait for the restart'
if [ -d /run/imagefactory ] && [ ! -e /run/imagefactory/restarting ]; then
  printf '%s\n' 'the machine does not restart'
  exit 0
fi
if [ -e /run/imagefactory/restarting ] && [ "$(cat /run/imagefactory/restarting)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
  printf '%s\n' 'the machine has not gone down yet'
  sleep 10
  exit 75
fi
state=$(timeout 60 systemctl is-system-running --wait || true)
printf 'kernel %s, boot %s, system %s\n' "$(uname -r)" "$(cat /proc/sys/kernel/random/boot_id)" "$state"
case "$state" in running | degraded) exit 0 ;; esac
exit 75
