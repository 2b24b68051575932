# Each target sets up a fresh Debian 12 as far as it needs, then calls Bazel.

.PHONY: help build demo test soak long-tests fuzz mutants bench install test-kernels coverage lint format

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

build: ## compile everything
	@tools/setup/install.sh build test
	bazel build //...

demo: ## a shop in a box: who may talk to whom, shown by real packets
	@tools/setup/install.sh build test
	@tools/demo/demo.sh

test: ## all tests; the last line counts them
	@tools/setup/install.sh build test
	@tools/ci/test.sh

PAIRS ?= 100000000
SOAK_STATE ?= $(HOME)/.cache/ciliumcore-soak
soak: ## random policies and packets against the oracle, PAIRS of them; goes on where it was stopped
	@tools/setup/install.sh build test
	bazel build --config=opt //tests/oracle:soak
	bazel-bin/tests/oracle/soak $(SOAK_STATE) $(PAIRS)

LONGER ?= 1000
SEED ?= $(shell date +%s)
long-tests: ## the random tests, LONGER percent as long, from SEED on
	@tools/setup/install.sh build test
	bazel test --config=opt --test_timeout=86400 --test_env=CC_SEED=$(SEED) \
	  --test_env=CC_ROUNDS=$(LONGER) //tests/oracle/... //tests/bpf:differential_test

SECONDS ?= 30
fuzz: ## libFuzzer on the programs and the parsers, SECONDS each
	@tools/setup/install.sh build test
	@tools/ci/fuzz.sh $(SECONDS)

mutants: ## break the library in known ways, and see that tests notice
	@tools/setup/install.sh build test
	bazel test --test_output=all //tests/mutants:mutants_test
	@tests/oracle/mutants.py

bench: ## all benchmarks, as a table with ratios
	@tools/setup/install.sh build test
	@benchmarks/run.sh

install: ## headers, libraries, CMake and pkg-config files, ccore under PREFIX (/usr/local)
	@tools/setup/install.sh build
	@tools/package/install.sh $(PREFIX)

test-kernels: ## load the programs on Linux 6.1 and 6.12 under qemu
	@tools/setup/install.sh build test kernels
	@tools/kernels/test.sh

coverage: ## line coverage of the library and of the programs
	@tools/setup/install.sh build test
	@tools/ci/coverage.sh

lint: ## format, clang-tidy, shellcheck, layers
	@tools/setup/install.sh build test lint
	@tools/ci/lint.sh

format: ## format all sources in place
	@tools/setup/install.sh lint
	@tools/ci/lint.sh --fix
