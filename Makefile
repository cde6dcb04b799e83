# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` do all the set-up they need on a Debian-like machine with Python 3.11 or newer.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# What the test cloud is made of, what the benchmarks compare with, and the database of the team store's tests.
PACKAGES := iproute2 iptables nftables conntrack dnsmasq-base haproxy keepalived conntrackd busybox-static openssh-server openssh-client openssl procps util-linux \
	iputils-ping iputils-arping fping radvd sudo postgresql
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo "sudo -n")

.PHONY: setup system demo test test-full lint bench bench-full session strategies clean

setup: system .venv/ready

# Installs what is missing where it may, names it where it may not. No service is started by it, nor at the next boot:
# without a cluster of its own PostgreSQL has none to start.
system:
	@missing=""; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if ! command -v apt-get >/dev/null || { [ -n "$(SUDO)" ] && ! $(SUDO) true 2>/dev/null; }; then \
		echo "Missing system packages (install them, or the test cloud cannot run):$$missing" >&2; exit 0; fi; \
	echo "installing:$$missing"; \
	policy=/usr/sbin/policy-rc.d; made=""; \
	[ -e $$policy ] || { printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$policy >/dev/null && $(SUDO) chmod +x $$policy && made=1; }; \
	case "$$missing" in *postgresql*) own=/etc/postgresql-common/createcluster.conf; \
		[ -e $$own ] || { $(SUDO) mkdir -p $${own%/*} && echo 'create_main_cluster = false' | $(SUDO) tee $$own >/dev/null; };; esac; \
	$(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	status=$$?; [ -z "$$made" ] || $(SUDO) rm -f $$policy; exit $$status

.venv/ready: requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || { echo "python3-venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing Python packages into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

demo: setup
	@$(BIN)/csworkbench demo

# Four tests at a time, for many of them only wait; then those that measure, one after the other.
test: setup
	$(BIN)/python -m pytest -q -m "not slow and not timed" -n 4 --dist loadfile
	$(BIN)/python -m pytest -q -m "not slow and timed"

test-full: setup
	$(BIN)/python -m pytest -q

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# All of them, whatever one of them says; fails when a claim does not hold.
bench: setup
	@status=0; for b in tests/bench/bench_*.py; do echo "== $$b"; begun=$$(date +%s); \
	$(BIN)/python -m $$(echo $${b%.py} | tr / .) || status=1; echo "took $$(( $$(date +%s) - begun )) s"; done; exit $$status

# Takes about an hour; keeps what it says.
bench-full: setup
	@mkdir -p samples/results; failed=$$(mktemp); \
	{ echo "# make bench-full ($$(date -u +%F), $$(nproc) cores)"; for b in tests/bench/bench_*.py; do echo "== $$b"; begun=$$(date +%s); \
	$(BIN)/python -m $$(echo $${b%.py} | tr / .) --full || echo $$b >> $$failed; echo "took $$(( $$(date +%s) - begun )) s"; done; } 2>&1 | tee samples/results/bench-full.txt; \
	if [ -s $$failed ]; then echo "failed: $$(cat $$failed)" >&2; rm -f $$failed; exit 1; fi; rm -f $$failed

# An upgrade session at 80x24 with keys alone; writes docs/session-80x24.md and its pictures anew (tmux, rsvg-convert).
session: setup
	$(BIN)/python -m tests.e2e.session_80x24

strategies: setup
	$(BIN)/python -m tests.bench.table_strategies --runs 5 --to samples/results

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
