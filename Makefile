# What people type. `make run` needs a Rust toolchain, gcc and make; `make test` installs the rest
# of what it needs, or says which command does (see .ci/prepare).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# The development profile, so that a first start takes minutes: nine of processor time, which is
# about five on two cores. For a fast server: `make run PROFILE=release`, which builds for longer.
PROFILE ?= dev
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60
fuzz: FUZZ_SECONDS = 3600
# What property tests draw: the same each time, so that what passed passes again. Others by
# `make test PROPTEST_RNG_SEED=$RANDOM`.
PROPTEST_RNG_SEED ?= 20261122
test: export PROPTEST_RNG_SEED := $(PROPTEST_RNG_SEED)
# `--locked` where the lock file must not change.
LOCKED ?=

.PHONY: help run release test prepare fmt fuzz bench bench-library bench-audit bench-storage bench-continuous bench-rotation bench-long bench-compare docs clean-data

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

run: ## Build and start a server with sample data (`keyward dev`)
	@cargo run $(LOCKED) --profile $(PROFILE) --package keyward -- dev

release: ## Build the binary to install: target/release/keyward
	@cargo build $(LOCKED) --release --package keyward

test: prepare ## Install what the tests need, then run every check there is
	@step() { printf '\n── %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	step cargo fmt --manifest-path fuzz/Cargo.toml --check
	step cargo clippy $(LOCKED) --workspace --all-targets -- --deny warnings
	step cargo clippy $(LOCKED) --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --no-deps -- --deny warnings
	step target/tools/bin/cargo-deny $(LOCKED) --log-level error check --hide-inclusion-graph bans licenses sources
	step cargo build $(LOCKED) --workspace --all-targets
	step cargo test $(LOCKED) --workspace --no-fail-fast
	step fuzz/run $(FUZZ_SECONDS)
	step cargo xtask vectors
	step cargo xtask tidy
	step cargo xtask tour

fuzz: ## Fuzz every parser of outside bytes for an hour each (FUZZ_SECONDS=3600)
	@.ci/prepare
	fuzz/run $(FUZZ_SECONDS)

prepare:
	@.ci/prepare

fmt: ## Format the code
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml

bench: ## Measure the server beside a no-op handler and OpenBao (KEYWARD_BENCH=all: every case)
	@.ci/prepare bench
	cargo bench $(LOCKED) --package keyward --bench requests
	cargo bench $(LOCKED) --package keyward --bench audit

bench-library: ## Measure the library beneath: AEAD, envelope, record, decision, journal
	cargo bench $(LOCKED) --package keyward --bench library

bench-audit: ## Measure the audit log: entries a second, and operations with it beside the same without
	cargo bench $(LOCKED) --package keyward --bench audit

bench-storage: ## Measure storing and opening records beside the bare backend (KEYWARD_BENCH=file: one of them)
	@.ci/prepare
	cargo bench $(LOCKED) --package keyward --bench storage

bench-continuous: ## Measure changes that wait for their segment beside those that do not, and reading many segments
	cargo bench $(LOCKED) --package keyward --bench continuous

bench-rotation: ## Measure many keys due at once, and what whoever uses others notices of it (KEYWARD_BENCH_KEYS=10000)
	cargo bench $(LOCKED) --package keyward --bench rotation

bench-long: ## Measure a long log: written, sealed, searched, proved, verified (KEYWARD_BENCH_ENTRIES=3000000)
	cargo bench $(LOCKED) --package keyward-audit --bench long

bench-compare: ## Compare two kept runs: make bench-compare OLD=a.json NEW=b.json
	@cargo bench $(LOCKED) --quiet --package keyward --bench requests -- compare $(abspath $(OLD)) $(abspath $(NEW))

docs: ## Write the generated pages in docs/, and the code's own documentation in target/doc
	@cargo xtask generate
	cargo doc $(LOCKED) --workspace --no-deps --quiet

clean-data: ## Delete what `make run` keeps: ./keyward-data, with every key in it
	@rm -rf ./keyward-data
