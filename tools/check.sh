#!/usr/bin/env bash
# The whole gate: every check runs, and the exit status says whether all passed.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

check() { # name, command...
  local name=$1
  shift
  if output=$("$@" 2>&1); then
    printf 'ok       %s\n' "$name"
  else
    printf 'FAILED   %s\n%s\n' "$name" "$output"
    failed=1
  fi
}

skip() { # name, reason
  if [ "${CI:-}" = true ] && [ "${3:-}" = must ]; then
    printf 'FAILED   %s: %s\n' "$1" "$2"
    failed=1
  else
    printf 'skipped  %s: %s\n' "$1" "$2"
  fi
}

mapfile -t scripts < <(git ls-files '*.sh' '.ci/run')
check "format" ruff format --check --quiet .
check "lint" ruff check --quiet .
check "types" mypy
check "layers" lint-imports
check "yaml" yamllint --strict .
check "shell" shellcheck "${scripts[@]}"
check "house rules" python tools/house_rules.py
if command -v terraform >/dev/null; then
  check "terraform format" terraform fmt -check -recursive infra
else
  skip "terraform format" "terraform is not on the PATH"
fi
check "coverage of the domain" python -m pytest -q -n 0 tests/unit/domain --cov=pipeline_core.domain --cov-branch \
  --cov-report=term-missing:skip-covered --cov-fail-under=100
exit "$failed"
