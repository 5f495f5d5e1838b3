#!/usr/bin/env bash
# Removes what is left of one machine and of the user of its build, where the machine or Azure makes it again.
#
#   forget.sh --user NAME [--root DIR]
#
# It runs after the account is gone. What it cannot remove without harm is a finding: findings.sh says so.
set -euo pipefail
shopt -s nullglob

root=
user=
while (($#)); do
  case $1 in
    --root) root=${2%/} ;;
    --user) user=$2 ;;
    *) echo "forget: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $user != */* && $user != . && $user != .. ]] || { echo "forget: $user is not the name of an account" >&2; exit 2; }

# The rules of sudo for the user that Azure asked for. cloud-init and the Azure agent write them for the next user.
rm -f -- "$root"/etc/sudoers.d/90-cloud-init-users "$root"/etc/sudoers.d/waagent

if [[ -n $user && $user != root ]]; then
  # shellcheck disable=SC2115 # an empty root is the machine itself, and the user is not empty
  rm -rf -- "$root/home/$user" "$root/var/spool/cron/$user" "$root/var/spool/mail/$user" \
    "$root/var/lib/systemd/linger/$user" "$root/var/db/sudo/lectured/$user" "$root/var/lib/AccountsService/users/$user"
  # The files with a dash are the state before the last change of each.
  for file in "$root"/etc/{subuid,subgid}{,-} "$root"/etc/{passwd,shadow,group,gshadow}-; do
    [[ -f $file ]] || continue
    lines=$(awk -v name="$user" -F : '$1 != name' "$file" && echo .) # the dot keeps the last line end
    printf '%s' "${lines%.}" >"$file"
  done
fi

# The network: cloud-init writes its own files again, leases and secrets are each machine's.
for file in "$root"/etc/NetworkManager/system-connections/* "$root"/etc/sysconfig/network-scripts/ifcfg-* \
  "$root"/etc/systemd/network/*; do
  if [[ -f $file ]] && grep --quiet --extended-regexp '(Created|Generated) by cloud-init' -- "$file"; then rm -f -- "$file"; fi
done
rm -f -- "$root"/etc/udev/rules.d/7[05]-persistent-net*.rules
rm -f -- "$root"/var/lib/NetworkManager/{*.lease,secret_key,timestamps,seen-bssids} "$root"/var/lib/{dhclient,dhcpcd}/*.lease*
# cloud-init adds the temporary disk of each machine, and marks its lines.
if [[ -f $root/etc/fstab ]]; then
  sed --in-place '/comment=cloudconfig/d' "$root/etc/fstab"
fi

# Names and secrets of this machine. The services make them when they are missing.
rm -f -- "$root"/etc/iscsi/initiatorname.iscsi "$root"/etc/nvme/{hostnqn,hostid} "$root"/etc/lvm/devices/system.devices \
  "$root"/var/lib/systemd/{credential.secret,random-seed} "$root"/var/lib/chrony/drift

# The check: nothing of the user is left in the rules of sudo. A rule begins with its users; the name may be a word of a
# command, such as /usr/bin/packer, too. An alias of users is a list of users.
names_user() {
  sed --expression ':a' --expression '/\\$/{N;s/\\\n/ /;ta}' -- "$1" | awk -v name="$user" '
    /^[ \t]*#/ || /^[ \t]*@/ { next }
    {
      gsub(/[ \t]*,[ \t]*/, ",")
      users = $1
      sub(/=.*/, "", users)
      if ($1 == "User_Alias") { users = $0; sub(/^[ \t]*User_Alias/, "", users); gsub(/[ \t:=]+/, ",", users) }
      count = split(users, each, ",")
      for (number = 1; number <= count; number++) {
        gsub(/[!"]/, "", each[number])
        if (each[number] == name) { found = 1 }
      }
    }
    END { exit !found }'
}
if [[ -n $user && $user != root ]]; then
  for file in "$root"/etc/sudoers "$root"/etc/sudoers.d/*; do
    if [[ -f $file ]] && names_user "$file"; then
      echo "forget: a rule of sudo in ${file#"$root"} names $user, who is removed" >&2
      exit 1
    fi
  done
fi
