#!/usr/bin/env bash
# The verify stage, on a machine booted from the new version. Its arguments are the team's smoke tests.
#
# It writes what it found to IMAGEFACTORY_RESULTS and fails only where it could not look: whether the findings are
# good enough is decided by the factory's gates, not here. The machine is thrown away, so tools may be installed.
set -euo pipefail
umask 022 # the hardened default would keep Packer's user from reading the results

here=${IMAGEFACTORY_PLATFORM:?}/platform
results=${IMAGEFACTORY_RESULTS:?}
goss_file=${IMAGEFACTORY_GOSS:-}
profile=${IMAGEFACTORY_PROFILE:-}
tailoring=${IMAGEFACTORY_TAILORING:-}
python=/usr/libexec/platform-python # the system's own, whatever `python3` a team has put first
[[ -x $python ]] || python=python3
work=$(mktemp --directory)
trap 'rm -rf -- "$work"' EXIT

write() { "$python" "$here/verify/results.py" "$@"; }

# First of all, while the machine is as it was booted: what must not be in it.
"$BASH" "$here/hygiene/findings.sh" --phase verify >"$work/findings"
rpm --query --all --queryformat \
  '%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{VENDOR}\t%{SOURCERPM}\t%{LICENSE}\n' >"$work/packages"
write packages "$work/packages" "$results/packages.json"

# What the vendor has told of these packages, where dnf can say it: it needs the vendor's repositories.
for which in installed available; do
  LC_ALL=C timeout --kill-after 10 180 dnf --quiet updateinfo list "--$which" >"$work/$which" || : >"$work/$which"
done
write advisories "$work/installed" "$work/available" "$results/advisories.json"

# goss is pinned in the catalog, as every tool is.
read -r url digest < <(write tool goss "$IMAGEFACTORY_PLATFORM/catalog.json")
curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --max-time 300 --retry 3 \
  --output "$work/goss" -- "$url"
printf '%s  %s\n' "$digest" "$work/goss" | sha256sum --check --status
chmod 0700 "$work/goss"

run_goss() { # goss ends with 1 where a test fails; what counts is that it told us of its tests
  "$work/goss" --gossfile "$1" validate --format json --no-color >"$2" || true
  write goss "$2"
}

# What holds for every image: invariants that are written apart from the role that hardens, and the roles' own tests.
# They count as hygiene, which no team can decline.
reports=()
for test in "$here/verify/invariants.yaml" "$IMAGEFACTORY_PLATFORM"/roles/*/tests/goss.yaml; do
  reports+=("$work/platform-${#reports[@]}.json")
  run_goss "$test" "${reports[-1]}"
done
write hygiene "$work/findings" "${reports[@]}" "$results/hygiene.json"

if [[ -n $profile ]]; then
  adjusted=()
  [[ -z $tailoring ]] || adjusted=(--tailoring-file "$tailoring")
  dnf --assumeyes --quiet --setopt=install_weak_deps=False install openscap-scanner scap-security-guide
  code=0
  # The profile is found by the end of its id, in the tailoring first. XCCDF results carry the whole benchmark, and so
  # the rules' titles and severities; an ARF would add the scanner's content, which is no finding about the machine.
  oscap xccdf eval --profile "$profile" "${adjusted[@]}" --results "$work/xccdf.xml" --report "$work/report.html" \
    /usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml || code=$?
  # 0: every rule passes; 2: some do not; anything else: it could not scan. What the file says is read by the builder.
  if ((code != 0 && code != 2)); then
    echo "verify: oscap ended with $code for the profile $profile" >&2
    exit 1
  fi
  for file in xccdf.xml report.html; do
    [[ -s $work/$file ]] || { echo "verify: oscap has written no $file for the profile $profile" >&2; exit 1; }
    gzip --no-name <"$work/$file" >"$results/$file.gz"
  done
fi

# A team's own tests come last: they run as root, and what they do to the machine is no finding about the image.
if [[ -n $goss_file ]]; then
  run_goss "$goss_file" "$results/goss.json"
fi

if (($#)); then
  : >"$work/smoke"
  for script in "$@"; do
    echo "smoke: $script"
    code=0
    started=$SECONDS
    # Into a file: what a test leaves running in the background would otherwise hold this session open for ever.
    (cd -- "$(dirname -- "$script")" && timeout --kill-after 10 300 "$BASH" -- "$script" </dev/null) \
      >"$work/said" 2>&1 || code=$?
    tail --bytes 65536 "$work/said"
    printf '%s\t%d\t%d\n' "$(basename -- "$script")" "$code" "$((SECONDS - started))" >>"$work/smoke"
  done
  write smoke "$work/smoke" "$results/smoke.json"
fi

# The check: everything that was asked for is there, and can be read by Packer's user.
for file in "$results"/*.json; do
  "$python" -m json.tool "$file" >/dev/null
done
if [[ -n $profile ]]; then
  gzip --test "$results"/*.gz
fi
chmod 0644 "$results"/*
