#!/usr/bin/env bash
# Prints one line, "PATH: WHAT", for everything below ROOT that must never be in an image. Changes nothing.
#
#   findings.sh --phase build|verify [--root DIR] [--booted EPOCH]
#
# build: before deprovisioning, so host keys and machine-id of the build machine are still allowed.
# verify: on a machine booted from the image: what the machine made itself since its boot (EPOCH, default: the
# kernel's) is its own, what is older was baked. Ends with 0 when it could look everywhere, whatever it found.
# shellcheck disable=SC2094 # `say` prints a file's name, it does not write the file
set -euo pipefail
shopt -s nullglob dotglob

root=
phase=
booted=
while (($#)); do
  case $1 in
    --root) root=${2%/} ;;
    --phase) phase=$2 ;;
    --booted) booted=$2 ;;
    *) echo "findings: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $phase == build || $phase == verify ]] || { echo "findings: --phase is build or verify" >&2; exit 2; }

build_user=${SUDO_USER:-packer}
if [[ $phase == verify && -z $booted ]]; then
  booted=$(awk '$1 == "btime" {print $2}' /proc/stat)
fi
# A clock that is set shortly after boot moves the boot's time; a baked file is older by far more than this.
slack=120

say() { printf '%s: %s\n' "${1#"$root"}" "$2"; }

# By the time of last change of the inode, which no program can set.
is_baked() { [[ $phase == build ]] || (($(stat --format %Z -- "$1") < booted - slack)); }

# Where people and programs put things; /usr/lib and /usr/share hold what packages bring, test keys among them.
places=()
for place in "$root"/{etc,home,opt,root,srv,tmp,usr/local,var/lib,var/opt,var/tmp}; do
  [[ -d $place ]] && places+=("$place")
done

# Prints the files that match. grep ends with 1 where it finds nothing, and with 2 where it could not look: a file
# that vanished while it looked is worth another try.
search() {
  local pattern=$1 status found
  ((${#places[@]})) || return 0
  for _ in 1 2 3; do
    status=0
    found=$(grep --recursive --files-with-matches --binary-files=without-match --devices=skip --extended-regexp \
      --regexp="$pattern" -- "${places[@]}") || status=$?
    if ((status < 2)); then
      printf '%s\n' "$found"
      return 0
    fi
  done
  echo "findings: the search for keys or tokens failed" >&2
  return 1
}

private_keys() {
  local files file
  files=$(search '^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY')
  while IFS= read -r file; do
    [[ -n $file ]] || continue
    case ${file#"$root"} in
      /etc/ssh/ssh_host_*) ;; # `identity` looks at them
      /etc/pki/rhui/*) ;;     # Red Hat's update client on Azure: the same in every RHEL image, from its package
      /var/lib/waagent/*) ;;  # the Azure agent's transport keys, removed by deprovisioning
      *) if is_baked "$file"; then say "$file" "a private key"; fi ;;
    esac
  done <<<"$files"
}

tokens() {
  local files file
  local -a shapes=(
    'AKIA[0-9A-Z]{16}'
    'gh[pousr]_[A-Za-z0-9]{36}'
    'xox[abprs]-[0-9A-Za-z-]{20}'
    'hv[sb]\.[A-Za-z0-9_-]{24}'
    'AccountKey=[A-Za-z0-9+/]{40}'
    '[?&]sig=[A-Za-z0-9%+/]{40}'
    'glpat-[0-9A-Za-z_-]{20}'
  )
  files=$(search "$(IFS='|' && printf '%s' "${shapes[*]}")")
  while IFS= read -r file; do
    [[ -n $file && ${file#"$root"} != /var/lib/waagent/* ]] || continue
    if is_baked "$file"; then say "$file" "something that looks like a token"; fi
  done <<<"$files"
}

homes() {
  local home file line
  for home in "$root/root" "$root"/home/*; do
    [[ -d $home ]] || continue
    for file in "$home"/.*_history; do
      [[ -s $file ]] && say "$file" "a shell history"
    done
    for file in "$home"/{.azure,.aws/credentials,.config/gcloud,.docker/config.json,.kube/config,.netrc,.git-credentials,.pgpass,.vault-token}; do
      [[ -e $file ]] && say "$file" "credentials of a person or a program"
    done
    [[ $home == "$root/home/$build_user" ]] && continue
    file=$home/.ssh/authorized_keys
    [[ -s $file ]] || continue
    while IFS= read -r line || [[ -n $line ]]; do
      # cloud-init gives root the provisioning key with a command that only says whom to log in as.
      [[ $home == "$root/root" && $line == *'command="echo '*'Please login as the user'* ]] && continue
      [[ -z $line || $line == \#* ]] && continue
      say "$file" "an authorised key"
      break
    done <"$file"
  done
}

passwords() {
  local name hash
  [[ -r $root/etc/shadow ]] || return 0
  while IFS=: read -r name hash _; do
    case $hash in
      '!'* | '*'*) ;;
      '') say "$root/etc/shadow" "the account $name has no password and is not locked" ;;
      *) say "$root/etc/shadow" "the account $name has a password" ;;
    esac
  done <"$root/etc/shadow"
}

enrolment() {
  local file
  for file in "$root"/opt/CrowdStrike/falconstore "$root"/etc/opt/microsoft/mdatp/*onboard*.json \
    "$root"/etc/pki/consumer/cert.pem "$root"/etc/insights-client/.registered "$root"/etc/insights-client/machine-id \
    "$root"/etc/krb5.keytab "$root"/var/opt/azcmagent/certs/*; do
    [[ -e $file ]] && say "$file" "enrolment of one machine"
  done
  return 0
}

identity() {
  local file
  [[ $phase == verify ]] || return 0
  for file in "$root"/etc/ssh/ssh_host_*_key "$root/etc/machine-id"; do
    [[ -s $file ]] || continue
    if is_baked "$file"; then say "$file" "older than this machine: it was baked"; fi
  done
}

private_keys
tokens
homes
passwords
enrolment
identity
