# Each target sets up a fresh Debian 12 as far as it needs, then calls Bazel.

.PHONY: help build test lint format

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

build: ## compile everything
	@tools/setup/install.sh build test
	bazel build //...

test: ## all tests; the last line counts them
	@tools/setup/install.sh build test
	@tools/ci/test.sh

lint: ## format, clang-tidy, shellcheck, layers
	@tools/setup/install.sh build test lint
	@tools/ci/lint.sh

format: ## format all sources in place
	@tools/setup/install.sh lint
	@tools/ci/lint.sh --fix
