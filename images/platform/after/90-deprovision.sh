#!/usr/bin/env bash
# The last step: removes the machine's identity. That is Packer's user with all that names it, host keys, machine-id and
# everything that provisioning wrote. Azure writes them again for each machine. Nothing can run here afterwards.
set -euo pipefail

user=${SUDO_USER:-}

cloud-init clean --logs --seed
/usr/sbin/waagent -force -deprovision+user
rm -f -- /etc/ssh/ssh_host_*
truncate --size 0 /etc/machine-id
rm -f -- /var/lib/dbus/machine-id
"$BASH" "${IMAGEFACTORY_PLATFORM:?}/platform/hygiene/forget.sh" --user "$user"
export HISTSIZE=0

# The check: no host key, no identity, no state of cloud-init or the Azure agent, no user of the build.
[[ -z $(find /etc/ssh -name 'ssh_host_*' -print -quit) ]]
[[ ! -s /etc/machine-id ]]
# The data that Azure gave this machine when it was made is gone too. The verify stage looks for it once more.
[[ ! -e /var/lib/cloud/instance && ! -e /var/lib/waagent/provisioned && ! -e /var/lib/waagent/ovf-env.xml ]]
if [[ -n $user && $user != root ]] && getent passwd "$user" >/dev/null; then
  echo "deprovision: the user $user is still there" >&2
  exit 1
fi
sync
