#!/usr/bin/env bash
# Installs what the given groups need, and does nothing (in a fraction of a second) when it is all there.
#
#   tools/deps.sh build          compiler, libraries, libduckdb
#   tools/deps.sh test           servers, Python readers, sanitizer runtimes
#   tools/deps.sh readers        Spark with Iceberg, which reads and writes the tables that sluice wrote; trino: Trino
#   tools/deps.sh mysql97 | bench | lint | fuzz | demo
#
# Debian packages come from apt; the rest is pinned in tools/deps.lock and lands in .deps/, which git ignores.
# Needs a Debian 12 (or newer) with bash, and root for apt when a package is missing.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
deps=$root/.deps
mkdir -p "$deps"
exec 9>"$deps/.lock" && flock 9 # two makes at once would unpack over each other

say() { printf 'deps: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- Debian packages -------------------------------------------------------------------------------------------------

# A package's install script starts its service; sluice's tests start their own private servers instead. policy-rc.d is
# Debian's switch for that: it says no for the time of the install, and is removed if it was not there before.
without_services() {
  local policy=/usr/sbin/policy-rc.d rc=0
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
  "$@" || rc=$?
  rm -f "$policy"
  return $rc
}

apt_updated=
apt_install() {
  local missing=() package
  for package; do
    [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = 'install ok installed' ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
  [ "$(id -u)" = 0 ] || die "these Debian packages are missing, and installing needs root: ${missing[*]}"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "$apt_updated" ]; then
    "${apt[@]}" update >"$deps/apt.log" 2>&1 || { tail -n 20 "$deps/apt.log" >&2; die 'apt-get update failed'; }
    apt_updated=yes
  fi
  without_services "${apt[@]}" --no-install-recommends install "${missing[@]}" >"$deps/apt.log" 2>&1 ||
    { tail -n 30 "$deps/apt.log" >&2; die 'apt-get install failed'; }
}

# A tool that may be here from elsewhere (a newer npm, say) is not replaced by Debian's.
apt_command() {
  local command=$1
  shift
  command -v "$command" >/dev/null || apt_install "$@"
}

# --- pinned files ----------------------------------------------------------------------------------------------------

# lock_row NAME: sets client, package and sha256.
lock_row() {
  read -r client package sha256 < <(awk -v n="$1" '$1 == n { print $2, $3, $4 }' "$root/tools/deps.lock") ||
    die "tools/deps.lock has no row '$1'"
}

# is_unpacked DIR: whether DIR holds exactly what lock_row's row pins.
is_unpacked() { [ "$(cat "$1/.sha256" 2>/dev/null)" = "$sha256" ]; }

# download DIR: has the row's client put the package's file into the empty folder DIR, checks it, sets `file`.
download() {
  say "downloading $package"
  rm -rf "$1" && mkdir -p "$1"
  case $client in
  npm)
    apt_command npm npm ca-certificates
    (cd "$1" && npm pack --silent "$package" >/dev/null)
    ;;
  mvn)
    apt_command mvn maven default-jdk-headless ca-certificates
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dmaven.repo.local="$deps/m2" \
      -Dartifact="$package" -DoutputDirectory="$1" >"$deps/mvn.log" 2>&1 ||
      { tail -n 20 "$deps/mvn.log" >&2; die "mvn could not get $package"; }
    local group=${package%%:*}
    rm -rf "$deps/m2/${group//.//}" # the second copy that Maven keeps: 800 MB of Trino
    ;;
  pip) # the package's sources; the hash is given because pip runs a script in them
    "$deps/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$1" \
      --requirement <(echo "$package --hash=sha256:$sha256")
    ;;
  *) die "tools/deps.lock: unknown client '$client'" ;;
  esac
  file=$(echo "$1"/*)
  echo "$sha256  $file" | sha256sum --check --quiet - || die "$package is not the file that tools/deps.lock pins"
}

# unpack NAME DIR COMMAND...: fills DIR by running COMMAND in it with `$file` downloaded; DIR appears only when complete.
unpack() {
  local name=$1 dir=$2 part=$2.part
  shift 2
  lock_row "$name"
  is_unpacked "$dir" && return
  download "$dir.download"
  rm -rf "$part" && mkdir -p "$part"
  (cd "$part" && "$@" "$file")
  echo "$sha256" >"$part/.sha256"
  rm -rf "$dir" "$dir.download"
  mv "$part" "$dir"
}

untar() { tar --no-same-owner --strip-components=1 -xzf "$2" "$1"; }
untar_header() { tar --no-same-owner --strip-components=5 -xzf "$1" package/src/duckdb/src/include/duckdb.h; }
unpack_mysql() { unzip -q "$1" mysql-Linux-amd64.tar.gz && tar --no-same-owner -xzf mysql-Linux-amd64.tar.gz && rm mysql-Linux-amd64.tar.gz; }

unpack_postgresql() { unzip -p "$1" 'postgres-linux-*.txz' | tar --no-same-owner -xJf -; }

# Of pyspark's sources only what runs: Python, jars, start scripts.
unpack_spark() {
  tar --no-same-owner --strip-components=1 --wildcards -xzf "$1" '*/pyspark' '*/lib' '*/deps/bin' '*/deps/jars'
  rm deps/jars/rocksdbjni-* # state of streams, a fifth of it all
}
# Of Trino only the server and its reader of Iceberg. The archive links equal files of its plugins to each other.
unpack_trino() {
  tar --no-same-owner --strip-components=1 -xzf "$1"
  find plugin -mindepth 1 -maxdepth 1 ! -name iceberg -exec rm -r {} +
}
keep() { cp "$1" .; }

# --- groups ----------------------------------------------------------------------------------------------------------

group_build() {
  apt_install gcc libc6-dev meson ninja-build pkg-config ca-certificates \
    libmariadb-dev libpq-dev libsqlite3-dev libyaml-dev libjansson-dev zlib1g-dev libzstd-dev libssl-dev libcmocka-dev
  unpack "duckdb-$(uname -m)" "$deps/duckdb" untar package/libduckdb.so
  unpack duckdb-header "$deps/duckdb-header" untar_header
}

group_demo() {
  group_build
  apt_install mariadb-server
}

group_test() {
  group_build
  apt_install mariadb-server postgresql-15 python3 python3-venv
  # Oracle publishes no Linux archive of this old 8.0 for other machines; the tests that need it are skipped there.
  if [ "$(uname -m)" = x86_64 ]; then
    apt_install libaio1 libnuma1 unzip
    unpack mysql-8.0 "$deps/mysql-8.0" unpack_mysql
    apt_install xz-utils
    unpack postgresql-18 "$deps/postgresql-18" unpack_postgresql
  fi
  python_venv "$deps/venv" "$root/tools/requirements-test.txt"
}

group_readers() {
  group_test
  apt_install openjdk-17-jre-headless
  unpack spark "$deps/spark" unpack_spark
  unpack spark-iceberg "$deps/spark-iceberg" keep
  unpack sqlite-jdbc "$deps/sqlite-jdbc" keep
}

# Trino needs Java 24 or newer, which Debian 12 does not have: its tests are skipped where there is none.
group_trino() {
  group_readers
  unpack trino "$deps/trino" unpack_trino
}

# MySQL 9.7 is in Debian's next release only. Its packages and the C library that they need are unpacked in a folder of their
# own, by an apt with a state of its own: the system's packages stay what they are. apt checks the signatures.
group_mysql97() {
  local dir=$deps/mysql-9.7 apt=$deps/apt-mysql97
  [ -x "$dir/usr/sbin/mysqld" ] && return
  apt_install debian-archive-keyring ca-certificates dpkg
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | awk '$2 !~ /-/ { print $1; exit }')
  [ -n "$mirror" ] || die 'apt has no Debian mirror to ask for MySQL 9.7'
  rm -rf "$apt" "$dir.part" && mkdir -p "$apt"/{lists,archives/partial,empty} "$dir.part"
  : >"$apt/status"
  printf 'Types: deb\nURIs: %s\nSuites: trixie sid\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
    "$mirror" >"$apt/mysql97.sources"
  # A machine's clock may be ahead of the suite's validity; the signature is checked all the same.
  local options=(-q -y -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt"
    -o "Dir::Etc::sourcelist=$apt/mysql97.sources" -o "Dir::Etc::sourceparts=$apt/empty" -o "Dir::Etc::preferencesparts=$apt/empty"
    -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false)
  say 'downloading MySQL 9.7'
  { apt-get "${options[@]}" update &&
    apt-get "${options[@]}" --no-install-recommends -d install mysql-server-core mysql-client-core/sid libc-bin; } \
    >"$deps/apt.log" 2>&1 || { tail -n 30 "$deps/apt.log" >&2; die 'apt could not get MySQL 9.7'; }
  local package
  for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$dir.part"; done
  rm -rf "$dir" "$apt"
  mv "$dir.part" "$dir"
}

group_lint() {
  group_build
  apt_install clang clang-tidy clang-format
}

group_fuzz() {
  group_build
  apt_install clang "libclang-rt-$(clang_major)-dev"
}

group_bench() {
  group_test
  python_venv "$deps/venv-bench" "$root/tools/requirements-test.txt" "$root/tools/requirements-bench.txt"
  jars debezium
}

# jars NAME: the jars that a pom.xml depends on; the row's hash is that of the list of their hashes.
jars() {
  lock_row "$1"
  local dir=$deps/$1 part=$deps/$1.part
  is_unpacked "$dir" && return
  say "downloading what $package depends on"
  apt_command mvn maven default-jdk-headless ca-certificates
  rm -rf "$part"
  mvn -q -B -C -f "$root/$package" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -Dmaven.repo.local="$deps/m2" -DoutputDirectory="$part" >"$deps/mvn.log" 2>&1 ||
    { tail -n 20 "$deps/mvn.log" >&2; die "mvn could not get what $package depends on"; }
  [ "$(cd "$part" && sha256sum -- *.jar | sha256sum | cut -d' ' -f1)" = "$sha256" ] ||
    die "$package depends on other files than tools/deps.lock pins"
  echo "$sha256" >"$part/.sha256"
  rm -rf "$dir" && mv "$part" "$dir"
}

clang_major() { apt_install clang; clang -dumpversion | cut -d. -f1; }

# python_venv DIR REQUIREMENTS...: rebuilt when the requirements change; only wheels, and only with the hashes they list.
python_venv() {
  local dir=$1 sha256 file requirements=()
  shift
  sha256=$(cat "$@" | sha256sum | cut -d' ' -f1)
  is_unpacked "$dir" && return
  for file; do
    say "installing the Python packages of ${file#"$root/"}"
    requirements+=(-r "$file")
  done
  rm -rf "$dir"
  /usr/bin/python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes "${requirements[@]}"
  echo "$sha256" >"$dir/.sha256"
}

[ $# -gt 0 ] || die 'name at least one group: build, test, readers, trino, mysql97, bench, lint, fuzz, demo'
for group; do
  declare -F "group_$group" >/dev/null || die "there is no group '$group'"
  "group_$group"
done
