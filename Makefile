.DEFAULT_GOAL := help
NAME    ?=
VARIANT ?=
RUNTIME ?= auto
KERNEL  ?=
REPORT  ?=
ARGS    ?=
export NAME VARIANT RUNTIME KERNEL REPORT ARGS

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

scenario: build ## Run one scenario: make scenario NAME=ipvs-ipsec [VARIANT=...] [RUNTIME=vm] [KERNEL=debian-13] [ARGS="--fix iptables-mode"]
	@scripts/scenario.sh

scenarios: build ## Run every scenario, at the same time as far as the machine can: make scenarios [RUNTIME=vm] [KERNEL=debian-13] [ARGS="--jobs 1"]
	@NAME=--all scripts/scenario.sh

test: build ## Run all that this machine can prove: unit tests, then every suite
	@scripts/test.sh

unit: ## Run the unit tests alone, with the race detector
	@scripts/unit.sh

e2e: build ## Run the Ginkgo suites alone
	@scripts/e2e.sh

e2e-kind: build ## Run the suites on kind clusters alone, with a Docker daemon for them where none answers
	@scripts/e2e-kind.sh

lint: ## Run the linters
	@scripts/lint.sh

fuzz: ## Run each fuzz target for a minute
	@scripts/fuzz.sh

bench: build ## Measure labs up and down, the guest's boot and a whole scenario, side by side
	@scripts/bench.sh

golden: ## Write the golden files anew, to be read before they are committed
	@scripts/golden.sh

kind-image: build ## Make the node image of kind without an image registry: make kind-image [ARGS="--mirror URL"]
	@scripts/kind-image.sh

deps: ## Install the tools that labs need (root), or print the command that does
	@scripts/deps.sh

build: ## Build bin/faultline
	@scripts/build.sh

clean: ## Remove bin/ and build/; caches stay
	@rm -rf bin build

.PHONY: help scenario scenarios test unit e2e e2e-kind lint fuzz bench golden kind-image deps build clean
