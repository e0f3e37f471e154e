# What can be done here, by name. `make` alone lists it.
.DEFAULT_GOAL := help

CARGO ?= cargo
IMAGE ?= egret:$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# `make bench SCENARIO="h1 grpc" GATEWAYS=egret,envoy ROUNDS=5`: see load-tests/README.md.
SCENARIO ?=
GATEWAYS ?=
ROUNDS ?= 3
SOAK_REQUESTS ?= 10000000
# See fuzz/run.sh.
FUZZ ?=
FUZZ_SECONDS ?= 60
# `make suites SUITES="h2spec testssl"`: see integration-tests/SUITES.md.
SUITES ?=
# `make demo STAY=1` leaves the demo up.
STAY ?=
demo_flags := $(if $(filter-out 0 no false,$(STAY)),--stay)

.PHONY: help demo test lint fmt clippy deny advisories fuzz suites sbom bench soak lookup build image tools peers cargo-deny cargo-cyclonedx

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: tools ## build the gateway and watch it admit, refuse and log; STAY=1 leaves it up
	$(CARGO) run -p gateway --bin egret --locked -- demo $(demo_flags)

test: tools peers ## every test, with real sidecars and origins
	$(CARGO) build --workspace --exclude fuzz --bins --locked
	$(CARGO) test --workspace --locked

lint: fmt clippy ## formatting and lints

fmt:
	$(CARGO) fmt --all --check

clippy: tools
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: cargo-deny ## licences, bans and sources of all dependencies
	$(CARGO) deny check licenses bans sources

advisories: cargo-deny ## known vulnerabilities of all dependencies; needs the network
	$(CARGO) deny check advisories

sbom: cargo-cyclonedx ## what the binary is made of, as CycloneDX: target/sbom/egret.cdx.json
	CARGO="$(CARGO)" tools/sbom.sh

fuzz: tools ## every fuzz target for FUZZ_SECONDS (60) each; FUZZ="authority pattern" chooses
	FUZZ_SECONDS=$(FUZZ_SECONDS) CARGO="$(CARGO)" fuzz/run.sh $(FUZZ)

suites: tools peers ## h2spec, testssl.sh, sslyze, slowhttptest, nghttp2 and hostile requests; SUITES="h2spec" chooses
	@integration-tests/install-suites.sh
	$(CARGO) build --bins -p gateway -p integration-tests --locked
	target/debug/suites $(SUITES)
	$(if $(SUITES),,$(CARGO) test -p integration-tests --test vectors --locked)

bench: tools peers ## Egret beside Envoy, nginx and HAProxy; SCENARIO and GATEWAYS choose
	@load-tests/install-tools.sh
	$(CARGO) build --release --bins -p gateway -p load-tests --locked
	target/release/load-tests --scenarios "$(SCENARIO)" --gateways "$(GATEWAYS)" --rounds $(ROUNDS)

soak: tools peers ## SOAK_REQUESTS (ten million) of every kind, with reloads: what Egret holds stays the same
	@load-tests/install-tools.sh
	$(CARGO) build --release --bins -p gateway -p load-tests --locked
	target/release/load-tests soak --requests $(SOAK_REQUESTS)

lookup: tools ## the benchmark of policy's look-up alone
	$(CARGO) bench -p policy --locked

build: tools ## the release binary, target/release/egret
	$(CARGO) build --release -p gateway --bin egret --locked

image: ## the container image
	docker build --tag $(IMAGE) .

tools:
	@tools/install-build-tools.sh

peers:
	@integration-tests/install-peers.sh

cargo-deny:
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: installing it"; $(CARGO) install cargo-deny --locked; }

cargo-cyclonedx:
	@command -v cargo-cyclonedx >/dev/null || { echo "cargo-cyclonedx is missing: installing it"; $(CARGO) install cargo-cyclonedx --locked; }
