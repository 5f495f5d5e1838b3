#!/usr/bin/env bash
# Prints one line, "PATH: WHAT [RULE]", for everything below ROOT that must never be in an image. Changes nothing.
#
#   findings.sh --phase build|verify [--root DIR] [--booted EPOCH] [--format text|json] [--waived FILE]
#
# build: before deprovisioning. The identity of the build machine (host keys, machine-id, the state of cloud-init and
# of the Azure agent) is still allowed.
# verify: on a machine booted from the image. A file that is newer than the boot (EPOCH, default: the kernel's) is the
# machine's own. An older file is part of the image. Ends with 0 if it could look everywhere, whatever it found.
# FILE has lines of a rule, a tab and a path: such a finding is left out, and a line on the error output says so.
# shellcheck disable=SC2094 # `say` prints a file's name, it does not write the file
set -euo pipefail
shopt -s nullglob dotglob
export LC_ALL=C # every byte of a name is a character, and only ASCII is printable

root=
phase=
booted=
format=text
waived=
while (($#)); do
  case $1 in
    --root) root=${2%/} ;;
    --phase) phase=$2 ;;
    --booted) booted=$2 ;;
    --format) format=$2 ;;
    --waived) waived=$2 ;;
    *) echo "findings: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $phase == build || $phase == verify ]] || { echo "findings: --phase is build or verify" >&2; exit 2; }
[[ $format == text || $format == json ]] || { echo "findings: --format is text or json" >&2; exit 2; }

build_user=${SUDO_USER:-packer}
if [[ $phase == verify && -z $booted ]]; then
  booted=$(awk '$1 == "btime" {print $2}' /proc/stat)
fi
# If the clock is set shortly after boot, the boot's time moves. A file of the image is older by far more than this.
slack=120
paths=() whats=() rules=()
declare -A forgiven=()
if [[ -n $waived ]]; then
  while IFS=$'\t' read -r rule path; do
    forgiven[$rule$'\t'$path]=1
  done <"$waived"
fi

# A name with a line end or another unprintable character is quoted, so that it cannot look like two findings.
say() {
  local path=${1#"$root"}
  [[ $path != *[![:print:]]* ]] || path=$(printf '%q' "$path")
  if [[ -n ${forgiven[$2$'\t'$path]:-} ]]; then
    printf 'findings: waived: %s: %s [%s]\n' "$path" "$3" "$2" >&2
    return 0
  fi
  paths+=("$path") whats+=("$3") rules+=("$2")
}

# Decides by the time of last change of the inode, which no program can set.
is_baked() { [[ $phase == build ]] || (($(stat --format %Z -- "$1") < booted - slack)); }

# Folders that people, programs and teams use. /usr/lib and /usr/share are left out: they hold files of packages, also
# test keys. /mnt is left out: Azure gives this disk to one machine and removes it with the machine.
places=()
for place in "$root"/* "$root"/usr/local "$root"/var/{db,lib,opt,tmp,spool,www}; do
  case ${place#"$root"} in
    /bin | /boot | /dev | /lib | /lib64 | /lost+found | /media | /mnt | /proc | /run | /sbin | /sys | /usr | /var) ;;
    *) if [[ -d $place && ! -L $place || -f $place && -s $place ]]; then places+=("$place"); fi ;;
  esac
done

# The homes of people, and of accounts with a home elsewhere, such as a service's. System folders do not count as homes.
declare -A listed=()
homes=("$root"/root "$root"/home/*)
for place in "${homes[@]}"; do listed[$place]=1; done
if [[ -r $root/etc/passwd ]]; then
  while IFS=: read -r _ _ _ _ _ place _; do
    place=${place%/}
    case $place in
      '' | /bin | /dev | /dev/* | /proc | /proc/* | /run | /run/* | /sbin | /sys | /sys/* | /usr/bin | /usr/sbin) ;;
      *) [[ -n ${listed[$root$place]:-} ]] || homes+=("$root$place") listed[$root$place]=1 ;;
    esac
  done <"$root/etc/passwd"
fi

# Prints the files that match, one per line. A line end in a name becomes \x01. grep ends with 1 if it finds nothing,
# and with 2 if it could not look. A file may have vanished during the search, so it is tried again.
search() {
  local pattern=$1 status files
  ((${#places[@]})) || return 0
  for _ in 1 2 3; do
    status=0
    files=$(
      grep --recursive --files-with-matches --null --binary-files=without-match --devices=skip \
        --extended-regexp --regexp="$pattern" -- "${places[@]}" | tr '\0\n' '\n\1'
      exit "${PIPESTATUS[0]}"
    ) || status=$?
    if ((status < 2)); then
      printf '%s\n' "$files"
      return 0
    fi
  done
  echo "findings: the search for keys or tokens failed" >&2
  return 1
}

private_keys() {
  local files file
  files=$(search '-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----([[:space:]]*$|\\[nr])|^PuTTY-User-Key-File-')
  while IFS= read -r file; do
    [[ -n $file ]] || continue
    file=${file//$'\1'/$'\n'}
    case ${file#"$root"} in
      /etc/ssh/ssh_host_*) ;; # `identity` looks at them
      /etc/pki/rhui/*) ;;     # Red Hat's update client on Azure: the same in every RHEL image, from its package
      /var/lib/waagent/*) ;;  # `provisioning` looks at them
      *) if is_baked "$file"; then say "$file" private-key "a private key"; fi ;;
    esac
  done <<<"$files"
}

tokens() {
  local files file
  local -a shapes=(
    '(AKIA|ASIA)[0-9A-Z]{16}'
    'gh[pousr]_[A-Za-z0-9]{36}'
    'github_pat_[A-Za-z0-9]{22}_'
    'xox[abprs]-[0-9A-Za-z-]{20}'
    'hv[sb]\.[A-Za-z0-9_-]{24}'
    '(AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40}'
    '[?&]sig=[A-Za-z0-9%+/]{40}'
    'gl(pat|dt|rt)-[0-9A-Za-z_-]{20}'
    'npm_[A-Za-z0-9]{36}'
    '[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31}'
    'eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20}'
  )
  files=$(search "$(IFS='|' && printf '%s' "${shapes[*]}")")
  while IFS= read -r file; do
    file=${file//$'\1'/$'\n'}
    [[ -n $file && ${file#"$root"} != /var/lib/waagent/* ]] || continue
    if is_baked "$file"; then say "$file" token "something that looks like a token"; fi
  done <<<"$files"
}

homes() {
  local home file
  for home in "${homes[@]}"; do
    [[ -d $home ]] || continue
    for file in "$home"/.*_history "$home/.local/share/fish/fish_history"; do
      [[ -s $file ]] && say "$file" history "a shell history"
    done
    for file in "$home"/{.azure,.aws/credentials,.config/gcloud,.docker/config.json,.kube/config,.netrc,.git-credentials,.pgpass,.vault-token,.pypirc}; do
      [[ -e $file ]] && say "$file" credentials "credentials of a person or a program"
    done
    for file in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2; do
      # Deprovisioning removes the user of the build. On a booted machine Azure makes this user again.
      [[ $home == "$root/home/$build_user" && -e $file ]] && { [[ $phase == build ]] || ! is_baked "$file"; } && continue
      authorised "$home" "$file"
    done
  done
  for file in "$root"/etc/ssh/authorized_keys "$root"/etc/ssh/authorized_keys.d/*; do
    authorised "" "$file"
  done
}

authorised() {
  local home=$1 file=$2 line
  local nobody='no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo '
  [[ -f $file && -s $file ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    # cloud-init gives root the provisioning key with a command that only prints which user to log in as.
    [[ $home == "$root/root" && $line == "$nobody"*'Please login as the user'* ]] && continue
    [[ -z $line || $line == \#* ]] && continue
    say "$file" authorised-key "an authorised key"
    return 0
  done <"$file"
}

passwords() {
  local name hash
  [[ -r $root/etc/shadow ]] || return 0
  while IFS=: read -r name hash _; do
    case $hash in
      '!'* | '*'*) ;;
      '') say "$root/etc/shadow" password "the account $name has no password and is not locked" ;;
      *) say "$root/etc/shadow" password "the account $name has a password" ;;
    esac
  done <"$root/etc/shadow"
}

# Files that identify this machine to a service. A copy could act as another machine.
enrolment() {
  local file
  for file in "$root"/opt/CrowdStrike/falconstore "$root"/etc/opt/microsoft/mdatp/*onboard*.json \
    "$root"/etc/pki/consumer/{cert,key}.pem "$root"/etc/pki/entitlement/*.pem \
    "$root"/etc/insights-client/{.registered,machine-id} "$root"/etc/krb5.keytab "$root"/var/lib/sss/db/ccache_* \
    "$root"/etc/puppetlabs/puppet/ssl/{certs,private_keys}/*.pem "$root"/var/lib/puppet/ssl/{certs,private_keys}/*.pem \
    "$root"/etc/chef/{client,validation}.pem "$root"/etc/salt/pki/minion/minion.pem \
    "$root"/var/opt/azcmagent/certs/* "$root"/etc/opt/microsoft/omsagent/*/conf/omsadmin.conf \
    "$root"/etc/aadpasswd "$root"/var/lib/aad* "$root"/var/cache/himmelblaud/* "$root"/var/lib/tailscale/tailscaled.state; do
    [[ -e $file ]] && say "$file" enrolment "enrolment of one machine"
  done
  return 0
}

identity() {
  local file
  [[ $phase == verify ]] || return 0
  for file in "$root"/etc/ssh/ssh_host_*_key; do
    [[ -s $file ]] || continue
    if is_baked "$file"; then say "$file" host-key "older than this machine: it was baked"; fi
  done
  for file in "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id; do
    [[ -s $file ]] || continue
    if is_baked "$file"; then say "$file" machine-id "older than this machine: it was baked"; fi
  done
}

# The data that Azure gave the build machine when it was made: its name, its user, its keys.
provisioning() {
  local file
  [[ $phase == verify ]] || return 0
  for file in "$root"/var/lib/cloud/{data,instances,sem,seed}/* "$root"/var/lib/cloud/instance \
    "$root"/var/log/cloud-init*.log; do
    [[ -e $file ]] || continue
    [[ -f $file && ! -s $file ]] && continue
    if is_baked "$file"; then say "$file" cloud-init "state of the machine that built this"; fi
  done
  for file in "$root"/var/lib/waagent/{provisioned,ovf-env.xml,SharedConfig.xml,HostingEnvironmentConfig.xml,history} \
    "$root"/var/lib/waagent/{Certificates,GoalState,ExtensionsConfig}* "$root"/var/lib/waagent/*.{prv,crt,pem,p7m} \
    "$root"/var/log/waagent.log; do
    [[ -e $file ]] || continue
    [[ -f $file && ! -s $file ]] && continue
    if is_baked "$file"; then say "$file" waagent "state of the machine that built this"; fi
  done
}

# One JSON document: {"passed", "count", "findings": [{"path", "what", "rule"}]}.
as_json() {
  local position path what separator=
  printf '{"passed": %s, "count": %d, "findings": [' "$( ((${#paths[@]})) && echo false || echo true)" "${#paths[@]}"
  for position in "${!paths[@]}"; do
    path=${paths[position]//\\/\\\\} path=${path//\"/\\\"}
    what=${whats[position]//\\/\\\\} what=${what//\"/\\\"}
    printf '%s\n {"path": "%s", "what": "%s", "rule": "%s"}' "$separator" "$path" "$what" "${rules[position]}"
    separator=,
  done
  printf ']}\n'
}

private_keys
tokens
homes
passwords
enrolment
identity
provisioning

if [[ $format == json ]]; then
  as_json
else
  for position in "${!paths[@]}"; do
    printf '%s: %s [%s]\n' "${paths[position]}" "${whats[position]}" "${rules[position]}"
  done
fi
