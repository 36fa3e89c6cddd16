# Everything that is done with this project. `make` alone lists it.

PHP ?= php
PHP_CONFIG ?= php-config
CARGO ?= cargo
# Looked for when it is needed: `make test` may have to install it first.
PHPUNIT ?= $(or $(firstword $(wildcard vendor/bin/phpunit vendor/bin/phpunit.phar)),$(shell command -v phpunit))
# Options for PHPUnit, such as PHPUNIT_FLAGS='--filter SendTest'.
PHPUNIT_FLAGS ?=

CARGO_TARGET_DIR ?= target
override CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
export CARGO_TARGET_DIR
RELEASE := $(CARGO_TARGET_DIR)/release
EXTENSION := $(RELEASE)/libgatewayworker.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
# The tests and the demo find both by these names.
export GATEWAYWORKER_SO := $(EXTENSION)
export GATEWAYD := $(RELEASE)/gatewayd

# The build is told of PHP only where it is not the one in PATH: it starts anew whenever these change.
BUILD_ENV = env -u PHP -u PHP_CONFIG \
	$(if $(filter-out php,$(PHP)),PHP="$$(command -v $(PHP))") \
	$(if $(filter-out php-config,$(PHP_CONFIG)),PHP_CONFIG="$$(command -v $(PHP_CONFIG))")
SETUP = env PHP="$(PHP)" PHP_CONFIG="$(PHP_CONFIG)" CARGO="$(CARGO)" scripts/setup.sh
PHP_FILES = find benches examples php-tests stubs -name '*.php'
CORE = --workspace --exclude gatewayworker
SECTION = @printf '\n==> %s\n'

.DEFAULT_GOAL := help
.PHONY: help demo test build lint bench clean setup-build setup-test compile test-rust test-php test-php84 audit
# The steps of `make test` come one after the other; cargo uses all processors by itself.
.NOTPARALLEL:

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## build, then show every call with live clients
	$(SECTION) "demo"
	@$(PHP) -d extension=$(EXTENSION) examples/demo.php

test: setup-test compile test-rust lint test-php ## install what is missing, build, run every test and check
	$(SECTION) "all tests have passed"

build: setup-build compile ## build the extension and the development gateway
	@echo "The extension is $(EXTENSION)"

setup-build:
	@$(SETUP) build

setup-test:
	$(SECTION) "setup"
	@$(SETUP) test

compile:
	$(SECTION) "build (the first one takes some minutes)"
	$(BUILD_ENV) $(CARGO) build --locked --release -p gatewayworker -p gatewayworker-devgateway

# The extension itself has no Rust tests: they could not be linked without PHP. Its tests are those of test-php.
test-rust: ## run the tests of the core and of the development gateway
	$(SECTION) "Rust tests"
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked $(CORE) && $(CARGO) test --locked $(CORE) --doc; \
	else \
		$(CARGO) test --locked $(CORE); \
	fi

lint: ## check the format of the Rust code, clippy, and the syntax of all PHP files
	$(SECTION) "lint"
	$(CARGO) fmt --all --check
	$(BUILD_ENV) $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@# One file at a time: PHP before 8.3 looks at the first one only.
	$(PHP_FILES) -print0 | xargs -0 -n 1 $(PHP) -n -l >/dev/null

test-php: ## run the PHP tests on what was built last
	$(SECTION) "PHP tests"
	$(PHP) -d extension=$(EXTENSION) $(PHPUNIT) $(PHPUNIT_FLAGS)

bench: setup-build ## measure, against raw sockets and (where GATEWAYWORKER_AUTOLOAD names an autoload file) the userland class
	$(SECTION) "build"
	$(BUILD_ENV) $(CARGO) build --locked --release -p gatewayworker
	$(CARGO) build --locked --release -p gatewayworker-bench
	$(SECTION) "benchmark"
	@BENCHPEER=$(RELEASE)/benchpeer $(PHP) benches/php/run.php --json=$(CARGO_TARGET_DIR)/bench.json
	@echo "The figures are in $(CARGO_TARGET_DIR)/bench.json"

test-php84: ## do what test-php does with PHP 8.4, in a folder with a Debian 13 (needs root)
	$(SECTION) "PHP 8.4"
	scripts/test-php84.sh $(PHPUNIT_FLAGS)

# What cargo-deny looks at. The advisories are fetched from the net, the rest needs none.
AUDIT ?= advisories licenses bans sources

audit: ## check advisories, licences, duplicates and sources of the dependencies (cargo-deny, see deny.toml)
	$(SECTION) "audit"
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny check $(AUDIT)

clean: ## remove everything that was built
	$(CARGO) clean
