#!/usr/bin/env bash
# The verify stage, on a machine booted from the new version. Its arguments are the team's smoke tests.
#
# It writes its findings to IMAGEFACTORY_RESULTS and fails only if it could not look. The factory's gates decide whether
# the findings are good enough. The machine is deleted afterwards, so tools may be installed.
set -euo pipefail
umask 022 # with the hardened default Packer's user could not read the results

here=${IMAGEFACTORY_PLATFORM:?}/platform
results=${IMAGEFACTORY_RESULTS:?}
goss_file=${IMAGEFACTORY_GOSS:-}
profile=${IMAGEFACTORY_PROFILE:-}
tailoring=${IMAGEFACTORY_TAILORING:-}
python=/usr/libexec/platform-python # the system's own; a team may have put another `python3` first
[[ -x $python ]] || python=python3
work=$(mktemp --directory)
# A hardened image lets nothing in /tmp be executed. What runs from a file of its own is here, in memory.
tools=$(mktemp --directory --tmpdir="${IMAGEFACTORY_ROOT:?}")
trap 'rm -rf -- "$work" "$tools"' EXIT

write() { "$python" "$here/verify/results.py" "$@"; }

# Hygiene comes first, while the machine is as it was booted.
"$BASH" "$here/hygiene/findings.sh" --phase verify --format json >"$work/findings"
# What listens, and what the firewall lets in. A firewall that does not answer is a finding, not a failure.
ss --no-header --listening --numeric --tcp --udp --processes >"$work/listening"
{ zone=$(firewall-cmd --get-default-zone) && firewall-cmd --zone="$zone" --list-all; } >"$work/zone" || : >"$work/zone"
{ for service in dhcpv6-client ssh; do firewall-cmd --info-service="$service"; done; } >"$work/services" || :
firewall-cmd --get-active-policies >"$work/policies" || :
"$python" "$here/verify/ports.py" "$work/listening" "$work/zone" "$work/services" "$work/policies" "${IMAGEFACTORY_SERVES:-}" \
  "$work/ports"
rpm --query --all --queryformat \
  '%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{VENDOR}\t%{SOURCERPM}\t%{LICENSE}\t%{MODULARITYLABEL}\n' \
  >"$work/packages"
# Which repository each came from: only dnf's own records know it. No repository is asked.
LC_ALL=C timeout --kill-after 10 180 dnf --quiet --disablerepo='*' repoquery --installed --queryformat \
  '%{name}\t%{epoch}\t%{version}\t%{release}\t%{arch}\t%{from_repo}' >"$work/origins" || : >"$work/origins"
write packages "$work/packages" "$work/origins" "$results/packages.json"

# Tools for the checks come from where builds get packages. The machine's own settings stay as they are: the checks are
# about them.
"$BASH" "$here/sources/sources.sh" options "$tools/sources" >"$work/options"
mapfile -t sources <"$work/options"
[[ -n ${sources[*]} ]] || sources=()

# The vendor's advisories about these packages, if dnf can read them. It needs the vendor's repositories.
for which in installed available; do
  LC_ALL=C timeout --kill-after 10 180 dnf "${sources[@]}" --quiet updateinfo list "--$which" >"$work/$which" || : >"$work/$which"
done
write advisories "$work/installed" "$work/available" "$results/advisories.json"

# goss is pinned in the catalog, like every tool. The builder has sent its file.
goss=goss
[[ $(uname --machine) != aarch64 ]] || goss="goss-arm64"
digest=$(write tool "$goss" "$IMAGEFACTORY_PLATFORM/catalog.json")
install -m 0700 -- "${IMAGEFACTORY_TOOLS:?the builder is older than these platform steps}/$digest" "$tools/goss" || {
  echo "verify: the builder has not sent the file of $goss ($digest)" >&2
  exit 1
}
printf '%s  %s\n' "$digest" "$tools/goss" | sha256sum --check --status || {
  echo "verify: the file of $goss is another one than the catalog pins ($digest)" >&2
  exit 1
}

run_goss() { # goss ends with 1 if a test fails. Required is that it ran, reported its tests, and was not killed
  local code=0
  "$tools/goss" --gossfile "$1" validate --format json --no-color >"$2" || code=$?
  # 126 and 127 are the shell's: the program could not be run. More than 128 is a signal.
  ((code < 126)) || { echo "verify: goss ended with $code" >&2; exit "$code"; }
  write goss "$2"
}

# The tests of every image: invariants that are written independently of the hardening role, and the roles' own tests.
# They count as hygiene, which no team can switch off.
fips=()
if "$BASH" "$here/fips/wanted.sh"; then
  fips=("$here/verify/fips.yaml")
fi
reports=()
for test in "$here/verify/invariants.yaml" "${fips[@]}" "$IMAGEFACTORY_PLATFORM"/roles/*/tests/goss.yaml; do
  reports+=("$work/platform-${#reports[@]}.json")
  run_goss "$test" "${reports[-1]}"
done
write hygiene "$work/findings" "$work/ports" "${reports[@]}" "$results/hygiene.json"

if [[ -n $profile ]]; then
  adjusted=()
  if [[ -n $tailoring ]]; then
    adjusted=(--tailoring-file "$tailoring")
  elif [[ -s $here/scap/tailoring-${profile##*_profile_}.xml ]]; then
    # SecOps' own, which the bases are hardened by. Its profile has the same short id.
    profile=${profile##*_profile_}
    tailoring=$here/scap/tailoring-$profile.xml
    if ((${#fips[@]})); then
      "$python" "$here/fips/tailoring.py" "$tailoring" "$work/tailoring.xml"
      tailoring=$work/tailoring.xml
    fi
    adjusted=(--tailoring-file "$tailoring")
  fi
  dnf "${sources[@]}" --assumeyes --quiet --setopt=install_weak_deps=False install openscap-scanner
  content=$("$BASH" "$here/scap/content.sh" "$work" "${sources[@]}")
  code=0
  # The profile is found by the end of its id, in the tailoring first. XCCDF results contain the whole benchmark, with
  # the rules' titles and severities. An ARF would add only the scanner's content, not a finding about the machine.
  oscap xccdf eval --profile "$profile" "${adjusted[@]}" --results "$work/xccdf.xml" --report "$work/report.html" \
    "$content" || code=$?
  # 0: every rule passes. 2: some rules fail. Any other code: it could not scan. The builder reads the file.
  if ((code != 0 && code != 2)); then
    echo "verify: oscap ended with $code for the profile $profile" >&2
    # Above 128 a signal killed it: 137 is for want of memory. The builder reads that from the code of this script.
    exit "$((code > 128 ? code : 1))"
  fi
  for file in xccdf.xml report.html; do
    [[ -s $work/$file ]] || { echo "verify: oscap has written no $file for the profile $profile" >&2; exit 1; }
    gzip --no-name <"$work/$file" >"$results/$file.gz"
  done
fi

# A deployed machine has no proxy of the build, so a team's tests have none.
unset http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL

# A team's own tests come last: they run as root, and their changes to the machine are not findings about the image.
if [[ -n $goss_file ]]; then
  run_goss "$goss_file" "$results/goss.json"
fi

if (($#)); then
  : >"$work/smoke"
  for script in "$@"; do
    echo "smoke: $script"
    code=0
    started=$SECONDS
    # Into a file: otherwise a program that a test leaves in the background would keep this session open for ever.
    (cd -- "$(dirname -- "$script")" && timeout --kill-after 10 300 "$BASH" -- "$script" </dev/null) \
      >"$work/said" 2>&1 || code=$?
    tail --bytes 65536 "$work/said"
    printf '%s\t%d\t%d\n' "$(basename -- "$script")" "$code" "$((SECONDS - started))" >>"$work/smoke"
  done
  write smoke "$work/smoke" "$results/smoke.json"
fi

# The check: every requested file is there, and Packer's user can read it.
for file in "$results"/*.json; do
  "$python" -m json.tool "$file" >/dev/null
done
if [[ -n $profile ]]; then
  gzip --test "$results"/*.gz
fi
chmod 0644 "$results"/*
