# The door to sluice: `make` builds build/sluice, `make help` lists the rest. Meson does the building, tools/deps.sh installs
# what it needs (on Debian, as root), and everything that is downloaded or built lands in .deps/ and build*/.

PREFIX  ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 30

export SLUICE_BIN ?= $(CURDIR)/build-test/sluice

.PHONY: all build deps test test-readers test-mysql97 test-scale unit bench lint lint-fix asan fuzz demo install clean help
.DEFAULT_GOAL := build
all: build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what building and testing need
	@tools/deps.sh build readers

# Meson looks at configuration time which of these exist: a file that comes or goes changes its folder's time, and the build
# is configured again.
src := $(wildcard src src/*/meson.build)

# $(call setup,FOLDER,OPTIONS) configures a build folder, or does so again when it already is one.
setup = @if [ -f $(1)/build.ninja ]; then meson setup --reconfigure $(1) $(2) >$(1)/setup.log || { cat $(1)/setup.log; exit 1; }; \
	else meson setup $(1) $(2) >/dev/null || { tail -n 30 $(1)/meson-logs/meson-log.txt; exit 1; }; fi; touch $(1)/build.ninja

build/build.ninja: $(src) | deps-build
	$(call setup,build,-Dprefix=$(PREFIX) -Dunit_tests=false)

build-test/build.ninja: $(src) tests/unit | deps-build
	$(call setup,build-test,-Dfault_points=true)

build-asan/build.ninja: $(src) tests/unit | deps-build
	$(call setup,build-asan,-Dfault_points=true -Db_sanitize=address$(comma)undefined -Doptimization=1)

build-fuzz/build.ninja: $(src) tests/fuzz | deps-fuzz
	$(call setup,build-fuzz,-Dfuzz=true -Dunit_tests=false -Db_sanitize=address$(comma)undefined -Db_lundef=false)

build-fuzz/build.ninja: export CC = clang
comma := ,

.PHONY: deps-build deps-test deps-readers deps-trino deps-lint deps-fuzz deps-demo deps-bench deps-mysql97
deps-build deps-test deps-readers deps-trino deps-lint deps-fuzz deps-demo deps-bench deps-mysql97:
	@tools/deps.sh $(@:deps-%=%)

build: build/build.ninja ## build/sluice (the default)
	@ninja -C build

.PHONY: build-test build-asan
build-test: build-test/build.ninja # with fault points, for the tests
	@ninja -C build-test
build-asan: build-asan/build.ninja # the same, under AddressSanitizer and UndefinedBehaviorSanitizer
	@ninja -C build-asan

unit: build-test ## only the unit tests
	@meson test -C build-test --no-rebuild --print-errorlogs

asan: build-asan ## only the unit tests, under the sanitizers
	@meson test -C build-asan --no-rebuild --print-errorlogs

test: deps-readers build-test build-asan ## every suite; ends with one line: N passed, N failed
	@.deps/venv/bin/python tools/run-tests.py

test-readers: deps-trino build-test ## all that Spark and Trino say of Iceberg tables (Trino: needs Java 24, 1 GB of disk)
	@.deps/venv/bin/python tools/run-tests.py all-readers

test-mysql97: deps-test deps-mysql97 build-test ## the integration tests that need MySQL 9.7 (follows Debian sid)
	@.deps/venv/bin/python -m pytest tests/integration -m mysql97 --mysql97

test-scale: deps-test build-test ## a table of 3 GB within memory_limit 512MB (some minutes, 4 GB of disk)
	@SLUICE_SCALE_GB=3 .deps/venv/bin/python -m pytest -c tests/pytest.ini --rootdir=. -s tests/integration/test_scale.py -k large_table

bench: deps-bench build ## the measurements of bench/README.md
	@.deps/venv-bench/bin/python bench/run.py

lint: deps-lint ## clang without a warning, gcc without a warning, clang-tidy, format
	@tools/lint.sh

lint-fix: deps-lint ## format the sources
	@tools/lint.sh --fix

fuzz: build-fuzz/build.ninja ## each decoder's fuzz target for FUZZ_SECONDS (30)
	@ninja -C build-fuzz
	@tools/fuzz.sh $(FUZZ_SECONDS)

demo: deps-demo build ## replicate a small MariaDB into a lake, on this machine, step by step
	@build/sluice demo

install: build ## to PREFIX (/usr/local), below DESTDIR if given
	@meson configure build -Dprefix=$(PREFIX)
	@meson install -C build $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean: ## remove what was built, keep what was downloaded
	@rm -rf build build-test build-asan build-fuzz build-lint build-bench
