# The commands of this project. `make` alone lists them.

PHP ?= php
PHP_CONFIG ?= php-config
# Looked up when needed, as it may be installed first. rustup puts itself into PATH for new shells only.
CARGO ?= $(firstword $(shell command -v cargo) $(wildcard $(HOME)/.cargo/bin/cargo) cargo)
# Looked up when needed: `make test` may have to install it first.
PHPUNIT ?= $(or $(firstword $(wildcard vendor/bin/phpunit vendor/bin/phpunit.phar)),$(shell command -v phpunit))
# Options for PHPUnit, such as PHPUNIT_FLAGS='--filter SendTest'.
PHPUNIT_FLAGS ?=
# Options for criterion, such as BENCH_FLAGS='--save-baseline before', or a part of a name.
BENCH_FLAGS ?=

CARGO_TARGET_DIR ?= target
override CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
export CARGO_TARGET_DIR
RELEASE := $(CARGO_TARGET_DIR)/release
EXTENSION := $(RELEASE)/libgatewayworker.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
# The tests and the demo find both by these names.
export GATEWAYWORKER_SO := $(EXTENSION)
export GATEWAYD := $(RELEASE)/gatewayd

# The build gets PHP only if it is not the one in PATH: it starts afresh whenever these change.
BUILD_ENV = env -u PHP -u PHP_CONFIG \
	$(if $(filter-out php,$(PHP)),PHP="$$(command -v $(PHP))") \
	$(if $(filter-out php-config,$(PHP_CONFIG)),PHP_CONFIG="$$(command -v $(PHP_CONFIG))")
SETUP = env PHP="$(PHP)" PHP_CONFIG="$(PHP_CONFIG)" CARGO="$(CARGO)" scripts/setup.sh
INSTALL = env PHP="$(PHP)" PHP_CONFIG="$(PHP_CONFIG)" DESTDIR="$(DESTDIR)" scripts/install.sh
PHP_FILES = find bin benches board examples php-tests scripts soak stubs '(' -name '*.php' -o -path bin/gatewayworker-top ')'
CORE = --workspace --exclude gatewayworker
SECTION = @printf '\n==> %s\n'

.DEFAULT_GOAL := help
.PHONY: help demo board board-screenshot test build install uninstall lint bench bench-core callgrind soak clean \
	deb test-deb dist setup-build setup-test setup-browser compile test-rust test-php test-board test-php84 audit fuzz endurance valgrind \
	asan
# The steps of `make test` come one after the other; cargo uses all processors by itself.
.NOTPARALLEL:

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## build, then show every call with live clients
	$(SECTION) "demo"
	@$(PHP) -d extension=$(EXTENSION) examples/demo.php

board: build ## build, then serve a page to send from and to watch clients and status() on: BOARD_PORT=8080 for a fixed port
	$(SECTION) "board"
	@$(PHP) board/run.php

# Only one test needs the browser; it says why if it is skipped.
test: setup-test compile test-rust lint test-php ## install what is missing, build, run every test and check
	$(SECTION) "all tests have passed"

build: setup-build compile ## build the extension and the development gateway
	@echo "The extension is $(EXTENSION)"

install: ## install what was built last, for every SAPI of PHP; DESTDIR and PHP, PHP_CONFIG count
	@$(INSTALL) install $(EXTENSION)

uninstall: ## remove what install has installed
	@$(INSTALL) uninstall

setup-build:
	@$(SETUP) build

setup-test:
	$(SECTION) "setup"
	@$(SETUP) test
	@$(SETUP) browser || echo "setup: the test of the board in a browser will be skipped"

setup-browser:
	@$(SETUP) browser

compile:
	$(SECTION) "build (the first one takes some minutes)"
	@# One after the other: together they would share features, and the next build of the extension alone would differ.
	$(BUILD_ENV) $(CARGO) build --locked --release -p gatewayworker
	$(CARGO) build --locked --release -p gatewayworker-devgateway

# The extension itself has no Rust tests: they could not be linked without PHP. test-php tests it.
test-rust: ## run the tests of the core and of the development gateway
	$(SECTION) "Rust tests"
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked $(CORE) && $(CARGO) test --locked $(CORE) --doc; \
	else \
		$(CARGO) --config 'target."cfg(all())".runner = ["$(CURDIR)/scripts/each-test-alone.sh"]' test --locked $(CORE); \
	fi

lint: ## check the format of the Rust code, clippy, its documentation, and the syntax of all PHP files
	$(SECTION) "lint"
	$(CARGO) fmt --all --check
	@# The fuzz targets are not part of the workspace.
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(BUILD_ENV) $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked $(CORE) --no-deps
	@# The extension has no public items.
	$(BUILD_ENV) RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked -p gatewayworker --no-deps --document-private-items
	@# One file at a time: PHP before 8.3 looks at the first one only.
	$(PHP_FILES) -print0 | xargs -0 -n 1 $(PHP) -n -l >/dev/null

test-php: ## run the PHP tests on what was built last
	$(SECTION) "PHP tests"
	@PHP="$(PHP)" PHPUNIT="$(PHPUNIT)" EXTENSION="$(EXTENSION)" REPORTS="$(CARGO_TARGET_DIR)" scripts/test-php.sh $(PHPUNIT_FLAGS)

test-board: setup-test setup-browser compile ## run the test of the board alone, in a Chromium without a window
	$(SECTION) "board in Chromium"
	$(PHP) -d extension=$(EXTENSION) $(PHPUNIT) --group board

board-screenshot: setup-test setup-browser compile ## take the pictures of the board in docs/
	$(SECTION) "pictures of the board"
	BOARD_PICTURES=$(CURDIR)/docs $(PHP) -d extension=$(EXTENSION) $(PHPUNIT) --filter 'BoardTest::testMessagesArrive'

bench: setup-build ## measure, against raw sockets and (where GATEWAYWORKER_AUTOLOAD names an autoload file) the userland class
	$(SECTION) "build"
	$(BUILD_ENV) $(CARGO) build --locked --release -p gatewayworker
	$(CARGO) build --locked --release -p gatewayworker-bench -p gatewayworker-devgateway
	$(SECTION) "benchmark"
	@BENCHPEER=$(RELEASE)/benchpeer BENCHCLIENT=$(RELEASE)/benchclient $(PHP) benches/php/run.php --json=$(CARGO_TARGET_DIR)/bench.json
	@echo "The figures are in $(CARGO_TARGET_DIR)/bench.json"

bench-core: ## measure the frame codec, the hand-over of frames, and the reply reader (BENCH_FLAGS: options of criterion)
	$(SECTION) "benches of the core"
	$(CARGO) bench --locked -p gatewayworker-wire -p gatewayworker-client --benches -- $(BENCH_FLAGS)

callgrind: setup-build ## count the instructions of the hot paths, compare them with limits (UPDATE=1: write these anew)
	$(SECTION) "build"
	$(BUILD_ENV) $(CARGO) build --locked --profile profiling -p gatewayworker
	$(CARGO) build --locked --release -p gatewayworker-bench
	$(SECTION) "instructions"
	@BENCHPEER=$(RELEASE)/benchpeer GATEWAYWORKER_SO=$(CARGO_TARGET_DIR)/profiling/$(notdir $(EXTENSION)) \
		$(PHP) benches/callgrind/run.php $(if $(UPDATE),--update)

soak: build ## call at random from 8 processes while faults are injected, then compare the books: MINUTES=30, SEED
	$(SECTION) "soak"
	$(CARGO) build --locked --release -p gatewayworker-soak
	$(PHP) soak/run.php --minutes=$(or $(MINUTES),30) $(if $(SEED),--seed=$(SEED))

fuzz: ## run the fuzz targets with a nightly Rust, FUZZ_MINUTES=20 each; FUZZ_TARGET=reply for one of them
	$(SECTION) "fuzz"
	FUZZ_MINUTES=$(or $(FUZZ_MINUTES),20) scripts/fuzz.sh run $(FUZZ_TARGET)

valgrind: ## run the PHP tests under valgrind, with every PHP that they start: no wrong access, no leak (PHPUNIT_FLAGS)
	@$(SETUP) valgrind
	$(CARGO) build --locked --release -p gatewayworker-devgateway
	$(SECTION) "valgrind"
	$(BUILD_ENV) PHPUNIT="$(PHPUNIT)" CARGO="$(CARGO)" scripts/valgrind.sh $(PHPUNIT_FLAGS)

asan: ## run the PHP and the Rust tests under AddressSanitizer, the Rust tests under ThreadSanitizer too (PHPUNIT_FLAGS)
	@$(SETUP) asan
	$(CARGO) build --locked --release -p gatewayworker-devgateway
	$(SECTION) "sanitizers"
	$(BUILD_ENV) PHPUNIT="$(PHPUNIT)" scripts/asan.sh $(PHPUNIT_FLAGS)

endurance: build ## call each method CALLS=1000000 times and fork FORKS=1000 processes, then look for what has grown
	$(SECTION) "endurance"
	@$(PHP) soak/endurance/run.php --calls=$(or $(CALLS),1000000) --forks=$(or $(FORKS),1000) --json=$(CARGO_TARGET_DIR)/endurance.json
	@echo "The figures are in $(CARGO_TARGET_DIR)/endurance.json"

test-php84: ## do what test-php does with PHP 8.4, in a folder with a Debian 13 (needs root)
	$(SECTION) "PHP 8.4"
	scripts/test-php84.sh $(PHPUNIT_FLAGS)

# What cargo-deny checks. Only the advisories need the network.
AUDIT ?= advisories licenses bans sources

audit: ## check advisories, licences, duplicates and sources of the dependencies (cargo-deny, see deny.toml)
	$(SECTION) "audit"
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny check $(AUDIT)

# Without a setup: these are run where a release is made, after `make build`.
deb: ## make a Debian package of what was built last, for the PHP at hand (PHP, PHP_CONFIG), in target/deb
	$(SECTION) "Debian package"
	@PHP="$(PHP)" scripts/deb.sh $(EXTENSION) $(CARGO_TARGET_DIR)/deb

test-deb: ## try that package in a folder that holds a bare Debian (needs root); SUITE=trixie for that of PHP 8.4
	$(SECTION) "Debian package in a bare folder"
	scripts/test-deb.sh "$$(ls -t $(CARGO_TARGET_DIR)/deb/*.deb | head -n 1)" $(GATEWAYD) $(or $(SUITE),bookworm)

dist: ## pack a release in target/dist: PIE's archive for the PHP at hand, the sources, an SBOM, checksums (TAG=v1.2.3)
	$(SECTION) "distribution"
	@PHP="$(PHP)" CARGO="$(CARGO)" TAG="$(TAG)" scripts/dist.sh $(EXTENSION) $(CARGO_TARGET_DIR)/dist

clean: ## remove everything that was built
	$(CARGO) clean
