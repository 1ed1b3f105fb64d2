#!/usr/bin/env bash
# Runs every fuzz target of build-fuzz for the given number of seconds. What it finds is left in build-fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p build-fuzz/findings
found=0
for source in tests/fuzz/fuzz_*.c; do
  [ -e "$source" ] || { echo 'tests/fuzz holds no fuzz_*.c yet'; exit 0; }
  name=$(basename "$source" .c)
  new=build-fuzz/corpus/${name#fuzz_}
  mkdir -p "$new"
  inputs=("$new")
  [ -d "tests/fuzz/corpus/${name#fuzz_}" ] && inputs+=("tests/fuzz/corpus/${name#fuzz_}")
  if [ -f "tests/fuzz/${name}_seeds.py" ]; then
    python3 "tests/fuzz/${name}_seeds.py" "$new" # made anew: no binaries in the repository
  fi
  echo "=== $name, $seconds s"
  "build-fuzz/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build-fuzz/findings/$name-" "${inputs[@]}" 2>&1 | tail -n 15 || found=1
done
[ "$found" = 0 ] || { echo 'a target failed: its input is in build-fuzz/findings'; exit 1; }
