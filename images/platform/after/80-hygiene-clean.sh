#!/usr/bin/env bash
# Removes the leftovers of a build. It does not remove secrets and enrolment: 85-hygiene-check.sh fails the build for
# them, so they are never removed without notice.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}

if [[ -e $root/remove-build-tools ]]; then
  dnf --assumeyes remove ansible-core
fi
dnf clean all
rm -rf -- /var/cache/dnf /var/log/anaconda /root/anaconda-ks.cfg /root/original-ks.cfg /root/.ansible /root/.cache

# Histories of shells, and records of SSH and editors.
for home in /root /home/*; do
  [[ -d $home ]] || continue
  rm -f -- "$home"/.{bash,python,psql,mysql}_history "$home/.lesshst" "$home/.viminfo" "$home/.wget-hsts" \
    "$home/.ssh/known_hosts" "$home/.local/share/fish/fish_history"
done
# cloud-init writes it again at the first boot, with the message not to log in as root.
rm -f -- /root/.ssh/authorized_keys

# Temporary files, except Packer's own running script. Packer removes that.
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' ! -name 'script_*' -exec rm -rf -- {} +

# Logs start with the machine that is made from the image.
journalctl --rotate --quiet || true
journalctl --vacuum-time=1s --quiet || true
find /var/log -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*-[0-9]*' \) -delete
find /var/log -type f ! -path '/var/log/journal/*' -exec truncate --size 0 -- {} +

# Each machine makes these for itself. A seed or a key that all machines share protects nothing.
rm -f -- /var/lib/systemd/random-seed
rm -rf -- /var/lib/fwupd/pki

# The check: no history and no cache is left.
[[ -z $(find /root /home -maxdepth 2 -name '.*_history' -size +0 -print -quit) ]]
[[ ! -e /var/cache/dnf ]]
