# What people type. `make run` needs a Rust toolchain, gcc and make; `make test` installs the rest
# of what it needs, or says which command does (see .ci/prepare).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# The development profile, so that a first start takes minutes: nine of processor time, which is
# about five on two cores. For a fast server: `make run PROFILE=release`, which builds for longer.
PROFILE ?= dev
# `--locked` where the lock file must not change.
LOCKED ?=

.PHONY: help run release test prepare fmt bench docs clean-data

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

run: ## Build and start a server with sample data (`keyward dev`)
	@cargo run $(LOCKED) --profile $(PROFILE) --package keyward -- dev

release: ## Build the binary to install: target/release/keyward
	@cargo build $(LOCKED) --release --package keyward

test: prepare ## Install what the tests need, then run every check there is
	@step() { printf '\n── %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	step cargo clippy $(LOCKED) --workspace --all-targets -- --deny warnings
	step target/tools/bin/cargo-deny $(LOCKED) --log-level error check --hide-inclusion-graph bans licenses sources
	step cargo build $(LOCKED) --workspace --all-targets
	step cargo test $(LOCKED) --workspace
	step cargo xtask vectors
	step cargo xtask tidy
	step cargo xtask tour

prepare:
	@.ci/prepare

fmt: ## Format the code
	@cargo fmt --all

bench: ## Measure the server beside a no-op handler on the same stack
	@.ci/prepare bench
	cargo bench $(LOCKED) --package keyward

docs: ## Write the generated pages in docs/, and the code's own documentation in target/doc
	@cargo xtask generate
	cargo doc $(LOCKED) --workspace --no-deps --quiet

clean-data: ## Delete what `make run` keeps: ./keyward-data, with every key in it
	@rm -rf ./keyward-data
