# Everything a newcomer or a developer does here. What is longer than a few lines is a script in packaging/dev/.
SHELL := /bin/sh
# Debian keeps ip, nft and mosquitto where ordinary users do not look.
export PATH := $(PATH):/usr/sbin:/sbin

DEBIAN_FOR_TESTS := mosquitto mosquitto-clients chromium chromium-driver e2fsprogs strace iproute2 nftables traceroute scamper \
	shellcheck fonts-noto-cjk procps iputils-ping tcpdump tshark busybox-static signify-openbsd openssl curl jq graphviz librsvg2-bin
# Where Python may keep no bytecode, each of hundreds of commands and daemons would compile the whole agent anew.
export PYTHONDONTWRITEBYTECODE :=
# More than there are processors: most tests wait for a network most of the time.
WORKERS ?= 6
parallel = -n $(WORKERS) --dist loadfile
# The share of each long campaign that `make test` runs.
SOAK_SHARE ?= 0.02
# How often each contestant of `make bench` runs.
RUNS ?= 5

dev = packaging/dev/venv.sh dev
# Layers that import no library, by the import contract: with others they would only do the same again. `make matrix` leaves nothing out.
library_free = $(foreach layer,detect watch wire store,--ignore-glob='*/unit/test_$(layer)_*')
need_root = @[ "$$(id -u)" -eq 0 ] || { echo "make $@ needs root, since its tests build network namespaces: sudo make $@" >&2; exit 1; }
debian = @packaging/dev/debian.sh $(DEBIAN_FOR_TESTS)
# $(call tests,directories,pytest options)
tests = @environment=$$($(dev)) && packaging/dev/pytest.sh "$$environment" $(1) -- $(2)

.PHONY: help run demo test lint types unit sim contract e2e page soak matrix homeassistant bench bench-detect bench-store bench-mqtt bench-fleet bench-enrich bench-page idle package luci arm64 pi3b clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## set everything up and start the agent with its page; CONFIG=FILE takes your configuration
	@CONFIG="$(CONFIG)" exec packaging/dev/run.sh

demo: ## the agent on a simulated network with a week of history: no root, no network
	@environment=$$(packaging/dev/venv.sh run) && exec "$$environment/bin/pathwarden" demo

test: ## set everything up and run every check and test, as root; under 10 minutes
	$(need_root)
	$(debian)
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@packaging/dev/promtool.sh >/dev/null # the alert rules are tested with it
	@packaging/dev/venv.sh oldest >/dev/null # the installed packages are tested with these libraries
	@environment=$$($(dev)) && PATHWARDEN_SOAK_SHARE=$(SOAK_SHARE) PATHWARDEN_EXAMPLES=50 "$$environment/bin/python" -m pytest $(parallel) --ignore=tests/bench tests
	@environment=$$(packaging/dev/venv.sh oldest) && echo "unit again, with the oldest libraries:" && \
		PATHWARDEN_EXAMPLES=20 packaging/dev/pytest.sh "$$environment" unit -- -q $(parallel) $(library_free)

lint: ## style, layout, direction of imports, JavaScript, shell scripts
	@packaging/dev/debian.sh shellcheck
	@environment=$$($(dev)) && packaging/dev/lint.sh "$$environment"

types: ## mypy, strict
	@environment=$$($(dev)) && "$$environment/bin/mypy"

unit: ## the tests that touch no network
	$(call tests,unit)

sim: ## the tests on simulated networks in virtual time
	$(call tests,sim)

contract: ## the same tests on the fakes and on the real adapters, as root
	$(need_root)
	$(debian)
	$(call tests,contract)

e2e: ## real kernels as routers, raw sockets, a real broker, as root
	$(need_root)
	$(debian)
	$(call tests,e2e)

page: ## the page in a real browser, as root
	$(need_root)
	$(debian)
	$(call tests,page)

soak: ## the long campaigns in full, as root: hours
	$(need_root)
	$(debian)
	@export PATHWARDEN_SOAK_SHARE=1; environment=$$($(dev)) && packaging/dev/pytest.sh "$$environment" soak -- --timeout=0

matrix: ## unit and sim with the newest and oldest libraries on Python 3.11 and 3.13, and the installed packages, as root
	$(need_root)
	$(debian)
	@packaging/dev/matrix.sh

homeassistant: ## Home Assistant itself takes what a real daemon publishes, as root, on Python 3.13: 600 MB and five minutes once
	$(need_root)
	$(debian)
	@environment=$$($(dev)) && packaging/dev/homeassistant.sh "$$environment"

bench: ## measure against traceroute, scamper and Scapy, as root; RUNS=N, JSON=1, WRITE=1 puts the figures there
	$(need_root)
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench --runs "$(RUNS)" $(if $(JSON),--json) $(if $(WRITE),--write)

bench-detect: ## how soon and rightly changes are seen, beside other tools, in virtual time: 20 minutes; SEEDS=1000-1009 DAYS=2 PPS=0.25,1 SVG=FILE WRITE=1
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.detect $(if $(SEEDS),--seeds "$(SEEDS)") \
		$(if $(DAYS),--days "$(DAYS)") $(if $(PPS),--pps "$(PPS)") --svg "$(or $(SVG),tests/artefacts/bench-detect.svg)" $(if $(WRITE),--write)

bench-store: ## the history on a year of 20 targets: size, flash writes, commits, queries, as root: an hour; DAYS=30 SEED=N JSON=1 WRITE=1
	$(need_root)
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.store $(if $(DAYS),--days "$(DAYS)") \
		$(if $(SEED),--seed "$(SEED)") $(if $(JSON),--json) $(if $(WRITE),--write)

bench-mqtt: ## how soon the broker has an event, the memory of MQTT, how soon a long outbox is empty: a minute; JSON=1 WRITE=1
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.mqtt $(if $(JSON),--json) $(if $(WRITE),--write)

bench-fleet: ## 1,000 agents on one broker: all start at once, work, answer Home Assistant's start, lose the broker: 4 minutes; JSON=1 WRITE=1
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.fleet $(if $(JSON),--json) $(if $(WRITE),--write)

bench-enrich: ## what it costs to know whose a responder is and to draw graph and map: a minute; JSON=1 WRITE=1
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.enrich $(if $(JSON),--json) $(if $(WRITE),--write)

bench-page: ## the page with 20 targets: how soon it can be used, what a poll costs, memory: 5 minutes, as root; DAYS=365 JSON=1 WRITE=1
	$(need_root)
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.page $(if $(DAYS),--days "$(DAYS)") \
		$(if $(JSON),--json) $(if $(WRITE),--write)

idle: ## the CPU of the agent while it waits, 20 targets every 5 minutes, and of its watch, as root: 11 minutes; JSON=1
	$(need_root)
	$(debian)
	@environment=$$($(dev)) && PYTHONPATH=tests "$$environment/bin/python" -m bench.idle $(if $(JSON),--json)

package: ## the packages for OpenWrt and a feed in dist/; KEY=FILE, a usign secret key, signs the feed
	@environment=$$($(dev)) && PYTHONPATH=packaging "$$environment/bin/python" -m packager build $(if $(KEY),--key "$(KEY)") dist

luci: ## the settings' schema and the translators' files of LuCI's part, after options or texts have changed
	@environment=$$($(dev)) && PYTHONPATH=packaging "$$environment/bin/python" -m packager luci

arm64: ## the installed package under an aarch64 Python, as root: Debian for arm64 in .cache, by qemu-user
	$(need_root)
	@packaging/dev/arm64.sh

pi3b: ## the same on an emulated Raspberry Pi 3B, with figures, as root; WRITE=1 writes them to packaging/PI3B.md
	$(need_root)
	@WRITE="$(WRITE)" packaging/dev/pi3b.sh

clean: ## remove all that was made here, the state of make run too
	rm -rf .venv* .run .cache .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist tests/artefacts
	find agent tests packaging -name __pycache__ -type d -prune -exec rm -rf {} +
