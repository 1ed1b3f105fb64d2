#!/usr/bin/env bash
# No warning from gcc or clang, nothing from clang-tidy, and every file formatted as .clang-format says.
# `tools/lint.sh --fix` formats.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files --cached --others --exclude-standard -- 'src/*.[ch]' 'tests/*.[ch]')
if [ "${1:-}" = --fix ]; then
  clang-format -i "${files[@]}"
  exit
fi

failed=()
step() {
  local what=$1
  shift
  echo "lint: $what"
  "$@" || failed+=("$what")
}

compile() {
  local build=build-lint/$1
  if [ -f "$build/build.ninja" ]; then
    CC=$1 meson setup --reconfigure "$build" >/dev/null
  else
    CC=$1 meson setup "$build" -Dwerror=true -Dfault_points=true >/dev/null
  fi
  ninja --quiet -C "$build"
}

tidy() {
  local log=build-lint/tidy.log
  printf '%s\n' "${files[@]}" | grep '^src/.*\.c$' |
    xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build-lint/clang >"$log" 2>&1 || { grep -v ' generated\.$' "$log"; return 1; }
}

step 'gcc -Werror' compile gcc
step 'clang -Werror' compile clang
step 'clang-tidy' tidy
step 'clang-format (make lint-fix mends it)' clang-format --dry-run -Werror "${files[@]}"

[ ${#failed[@]} = 0 ] || { printf 'lint failed: %s\n' "${failed[@]}"; exit 1; }
