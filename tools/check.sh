#!/usr/bin/env bash
# The gate. Without arguments every check runs; with names only those run; --list prints the names.
# The exit status says whether all passed. The hooks of .pre-commit-config.yaml call this file, one name each.
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -d .venv/bin ] || PATH="$PWD/.venv/bin:$PATH"
ALL=(format lint types layers yaml shell house-rules workflows ansible terraform domain-coverage)
failed=0

check() { # name, command...
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok       %s\n' "$name"
  else
    printf 'FAILED   %s\n%s\n' "$name" "$output"
    failed=1
  fi
}

skip() { # name, reason; with the third word "must" a skip is a failure in CI
  if [ "${CI:-}" = true ] && [ "${3:-}" = must ]; then
    printf 'FAILED   %s: %s\n' "$1" "$2"
    failed=1
  else
    printf 'skipped  %s: %s\n' "$1" "$2"
  fi
}

run() { # name
  local files program
  case $1 in
  format) check "$1" ruff format --check --quiet . ;;
  lint) check "$1" ruff check --quiet . ;;
  types) check "$1" mypy ;;
  layers) check "$1" lint-imports ;;
  yaml) check "$1" yamllint --strict . ;;
  shell)
    mapfile -t files < <(git ls-files '*.sh' '.ci/run')
    check "$1" shellcheck "${files[@]}"
    ;;
  house-rules) check "$1" python -m tools.house_rules ;;
  workflows)
    # actionlint runs the shellcheck that it finds on the PATH over each `run:`.
    if program=$(python -m tools.build_actionlint --find); then
      check "$1" "$program"
    else
      skip "$1" "there is no actionlint: .venv/bin/python -m tools.build_actionlint builds it" must
    fi
    ;;
  ansible)
    if tools/ansible_lint.sh --find; then
      check "$1" tools/ansible_lint.sh
    else
      skip "$1" "there is no ansible-lint: tools/ansible_lint.sh --install .venv/bin/python installs it" must
    fi
    ;;
  terraform)
    if command -v terraform >/dev/null; then
      check "$1" terraform fmt -check -recursive infra
    else
      skip "$1" "terraform is not on the PATH"
    fi
    ;;
  domain-coverage)
    check "$1" python -m pytest -q -n 0 tests/unit/domain --cov=pipeline_core.domain --cov-branch \
      --cov-report=term-missing:skip-covered --cov-fail-under=100
    ;;
  *)
    printf 'FAILED   %s: there is no such check, these are: %s\n' "$1" "${ALL[*]}"
    failed=1
    ;;
  esac
}

if [ "${1:-}" = --list ]; then
  printf '%s\n' "${ALL[@]}"
  exit
fi
[ $# -gt 0 ] || set -- "${ALL[@]}"
for name in "$@"; do
  run "$name"
done
exit "$failed"
