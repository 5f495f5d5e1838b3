#!/usr/bin/env bash
# Gives the volumes of the definition their size (spec.build.volumes): the partition, the volume group and the volumes
# use the disk, which may be larger than the source's. A volume never gets smaller, and one that is large enough stays.
#
# IMAGEFACTORY_VOLUMES has lines of a mount point, a size in GiB and a share in percent, parted by tabs; one of the two is
# 0. The shares are of the space that is free when all sizes are given.
set -euo pipefail

root=${IMAGEFACTORY_ROOT:?}
fstab=${IMAGEFACTORY_FSTAB:-/etc/fstab}
system=${IMAGEFACTORY_SYSTEM:-} # the root of the file system
done_file=$root/volumes-done    # a share is given once in a build

if [[ -z ${IMAGEFACTORY_VOLUMES:-} ]]; then
  echo "volumes: the definition names none"
  exit 0
fi

fail() {
  echo "volumes: $*" >&2
  exit 1
}
one() { # the only word of a report of LVM
  local words
  read -r -a words <<<"$(tr '\n' ' ')"
  ((${#words[@]} == 1)) || fail "one answer was expected, and there are ${#words[@]}: ${words[*]}"
  printf '%s' "${words[0]}"
}
device_of() { findmnt --noheadings --output SOURCE --mountpoint "$1" || true; }
bytes_of() { lvs --noheadings --units b --nosuffix --options lv_size "$1" | one; }
free_extents() { vgs --noheadings --options vg_free_count "$group" | one; }

base=$(device_of /)
if [[ -z $base ]] || ! lvs "$base" >/dev/null; then
  fail "/ is not a logical volume but ${base:-nothing}, so no volume can be grown"
fi
group=$(lvs --noheadings --options vg_name "$base" | one)
physical=$(pvs --noheadings --options pv_name --select "vg_name=$group" | one)
disk=$(lsblk --noheadings --nodeps --output PKNAME "$physical" | one)
number=$(cat "$system/sys/class/block/${physical##*/}/partition")

# growpart ends with 1 and NOCHANGE where the partition has the whole disk.
code=0
said=$(growpart "/dev/$disk" "$number") || code=$?
printf '%s\n' "$said"
((code == 0)) || [[ $code == 1 && $said == NOCHANGE* ]] || fail "growpart ended with $code"
pvresize "$physical"

make_opt() { # of a size as lvcreate takes it
  local kind new
  kind=$(findmnt --noheadings --output FSTYPE --mountpoint / | one)
  lvcreate --yes --wipesignatures y --name optlv "$@" "$group"
  new=/dev/$group/optlv
  "mkfs.$kind" "$new"
  local place
  place=$(mktemp --directory)
  mount "$new" "$place"
  cp --archive -- "$system/opt/." "$place/"
  umount "$place"
  rmdir "$place"
  find "$system/opt" -mindepth 1 -delete # otherwise it would be below the volume for ever
  printf '%s /opt %s defaults 0 0\n' "$new" "$kind" >>"$fstab"
  systemctl daemon-reload
  mount /opt
  restorecon -R -- "$system/opt" # the folder itself is new
}

grow() { # mount point, options of lvextend and lvcreate
  local device
  device=$(device_of "$1")
  if [[ -n $device ]]; then
    lvextend --resizefs "${@:2}" "$device"
  elif [[ $1 == /opt ]]; then
    make_opt "${@:2}"
  else
    fail "$1 is not a volume of its own in this image. Only /opt can be made one"
  fi
}

while IFS=$'\t' read -r mount size _; do
  ((size)) || continue
  device=$(device_of "$mount")
  if [[ -n $device ]] && (($(bytes_of "$device") >= size * 1024 ** 3)); then
    echo "volumes: $mount has $size GiB or more"
  else
    grow "$mount" --size "${size}g"
  fi
done <<<"$IMAGEFACTORY_VOLUMES"

free=$(free_extents)
while IFS=$'\t' read -r mount _ share; do
  ((share)) || continue
  extents=$((free * share / 100))
  if [[ -e $done_file ]] && grep --quiet --line-regexp --fixed-strings -- "$mount" "$done_file"; then
    echo "volumes: $mount has its share"
  elif ((extents == 0)); then
    echo "volumes: nothing is free for $mount"
  elif [[ -n $(device_of "$mount") ]]; then
    grow "$mount" --extents "+$extents"
  else
    grow "$mount" --extents "$extents"
  fi
  printf '%s\n' "$mount" >>"$done_file"
done <<<"$IMAGEFACTORY_VOLUMES"

# The check: each volume is mounted, and as large as it must be.
while IFS=$'\t' read -r mount size _; do
  device=$(device_of "$mount")
  [[ -n $device ]] || fail "$mount is not mounted from a volume"
  (($(bytes_of "$device") >= size * 1024 ** 3)) || fail "$mount has less than $size GiB"
done <<<"$IMAGEFACTORY_VOLUMES"
vgs "$group"
lvs "$group"
