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
python=/usr/libexec/platform-python # the system's own, whatever `python3` a team has put first
[[ -x $python ]] || python=python3
work=$(mktemp --directory)
trap 'rm -rf -- "$work"' EXIT

write() { "$python" "$here/verify/results.py" "$@"; }

# First of all, while the machine is as it was booted: what must not be in it.
"$BASH" "$here/hygiene/findings.sh" --phase verify >"$work/findings"
rpm --query --all --queryformat '%{NAME}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n' >"$work/packages"
write packages "$work/packages" "$results/packages.json"

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

if [[ -n $goss_file ]]; then
  run_goss "$goss_file" "$results/goss.json"
fi

if (($#)); then
  : >"$work/smoke"
  for script in "$@"; do
    echo "smoke: $script"
    code=0
    started=$SECONDS
    (cd -- "$(dirname -- "$script")" && timeout --kill-after 10 300 "$BASH" -- "$script" </dev/null) || code=$?
    printf '%s\t%d\t%d\n' "$(basename -- "$script")" "$code" "$((SECONDS - started))" >>"$work/smoke"
  done
  write smoke "$work/smoke" "$results/smoke.json"
fi

if [[ -n $profile ]]; then
  dnf --assumeyes --quiet --setopt=install_weak_deps=False install openscap-scanner scap-security-guide
  code=0
  oscap xccdf eval --profile "xccdf_org.ssgproject.content_profile_$profile" --results "$work/xccdf.xml" \
    /usr/share/xml/scap/ssg/content/ssg-rhel9-ds.xml || code=$?
  # 0: every rule passes; 2: some fail, the score says how many; anything else: it could not scan.
  if ((code != 0 && code != 2)); then
    echo "verify: oscap ended with $code for the profile $profile" >&2
    exit 1
  fi
  write compliance "$profile" "$work/xccdf.xml" "$results/compliance.json"
fi

# The check: everything that was asked for is there, and can be read by Packer's user.
for file in "$results"/*.json; do
  "$python" -m json.tool "$file" >/dev/null
done
chmod 0644 "$results"/*.json
