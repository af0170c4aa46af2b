# Sluicegate. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLES ?= 500
READY := $(VENV)/.ready
UV_VERSION := 0.13.9

.PHONY: help
help:  ## what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: $(READY)  ## build the environment in .venv, versions pinned with hashes

$(READY): requirements.txt pyproject.toml tools/setup.sh
	@PYTHON=$(PYTHON) UV_VERSION=$(UV_VERSION) bash tools/setup.sh
	@touch $@

.PHONY: demo
demo: $(READY)  ## the main job in under a minute: one burst, without and with traffic management
	@$(BIN)/sluicegate demo

.PHONY: test
test: lint types house unit  ## everything that every commit must pass

.PHONY: lint
lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

.PHONY: types
types: $(READY)
	@$(BIN)/mypy

.PHONY: house
house: $(READY)
	@$(BIN)/lint-imports --no-cache

.PHONY: unit
unit: $(READY)
	@$(BIN)/pytest -m "not long"

.PHONY: test-long
test-long: $(READY)  ## what takes long (processes killed, whole days, schemathesis), and every property with 2.5 times the examples
	@$(BIN)/pytest -m "long or hypothesis" --hypothesis-profile=thorough

.PHONY: format
format: $(READY)  ## format, and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(READY)  ## the gateway beside its peers, in one run: about 30 minutes (BENCH="--quick" for a try)
	@bash bench/run.sh $(BENCH)

.PHONY: compiled
compiled: $(READY)  ## .venv-compiled: the decision and the engine compiled (mypyc), the same source
	@bash tools/compiled.sh

.PHONY: bench-simulate
bench-simulate: compiled  ## a day of Great Britain, 86 million SRs: seconds, memory, linearity (about 8 minutes)
	@.venv-compiled/bin/python -m bench.simulate $(BENCH)

.PHONY: truth
truth: $(READY)  ## the same requests live and simulated: three scenarios of a minute each (TRUTH="--seconds 20" for a try)
	@$(BIN)/python -m bench.truth $(TRUTH)

.PHONY: soak
soak: $(READY)  ## ten minutes of mixed traffic: does memory stay flat?
	@MODULE=bench.soak bash bench/run.sh $(SOAK)

.PHONY: bench-dispatch
bench-dispatch: $(READY)  ## the dispatcher on SQLite and PostgreSQL: SR/s, p99, a backlog of a million (about 25 minutes)
	@MODULE=bench.dispatch bash bench/run.sh $(BENCH)

.PHONY: bench-history
bench-history: $(READY)  ## 13 months of minutes for 200 Users: how long any screen's query takes (about 3 minutes; BENCH="--postgresql")
	@$(BIN)/python -m bench.history $(BENCH)

.PHONY: bench-looks
bench-looks: $(READY)  ## how long operations hold the event loop at 10,000 Users (about 3 minutes; BENCH="--users 200 --active 200")
	@$(BIN)/python -m bench.looks --hour $(BENCH)

.PHONY: bench-notices
bench-notices: $(READY)  ## from the moment that a window is met to the webhook, stage by stage (BENCH="--rounds 12")
	@$(BIN)/python -m bench.notices $(BENCH)

.PHONY: bench-screens
bench-screens: $(READY)  ## the operator's page in Chromium: first paint, octets (half a minute; needs chromium)
	@$(BIN)/python -m bench.screens $(BENCH)

.PHONY: alerts
alerts:  ## promtool checks the alert rules, and when each fires (needs promtool: Debian's package prometheus)
	@promtool check rules deploy/prometheus/sluicegate.rules.yml
	@cd deploy/prometheus && promtool test rules sluicegate.test.yml

.PHONY: faults-dispatch
faults-dispatch: $(READY)  ## hundreds of kill -9, full disks, lost writes: is anything lost? (below 30 minutes; FAULTS="kill-sqlite --rounds 30")
	@$(BIN)/python -m bench.faults --page docs/reliability.md $(FAULTS)

.PHONY: real-clients
real-clients: $(READY)  ## curl, urllib3 and got against a 429 and a 503, alone and behind a relay (needs curl, node, npm)
	@MODULE=bench.clients bash bench/run.sh

.PHONY: faults-relay
faults-relay: $(READY)  ## the relay: hundreds of kill -9, full disks, a gateway that fails (about 10 minutes; FAULTS="relay-kill-hold --rounds 30")
	@$(BIN)/python -m bench.faults.relay --page docs/reliability.md $(FAULTS)

.PHONY: faults-fleet
faults-fleet: $(READY)  ## a fleet: its Valkey killed, frozen, slow, cut off, failed over, its workers killed (about 12 minutes; FAULTS="worker-cut --rounds 30")
	@$(BIN)/python -m bench.faults.fleet --page docs/reliability.md $(FAULTS)

.PHONY: bench-relay
bench-relay: $(READY)  ## a relay beside the gateway's own rate, plain and as deployed (about 3 minutes; BENCH="--rounds 1")
	@MODULE=bench.relay bash bench/run.sh $(BENCH)

.PHONY: bench-fleet
bench-fleet: $(READY)  ## four workers as one beside four that share nothing, and draws beside round trips (about 20 minutes; BENCH="--pairs 1")
	@$(BIN)/python -m bench.fleet $(BENCH)

.PHONY: fuzz
fuzz: $(READY)  ## damaged messages for ten minutes: do both readings of a header agree?
	@PYTHONPATH=tests $(BIN)/python -m duis.fuzz --seconds 600

.PHONY: api
api: $(READY)  ## schemathesis asks a running gateway whatever its API may be asked, for some minutes (EXAMPLES=2000)
	@SLUICEGATE_API_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n 0 tests/gateway/test_gateway_openapi.py

.PHONY: lock
lock: $(READY)  ## resolve the requirements files again from pyproject.toml
	@bash tools/lock.sh

.PHONY: clean
clean:  ## remove what make built
	rm -rf $(VENV) .venv-bench .venv-compiled .tools out .mypy_cache .ruff_cache .pytest_cache .hypothesis
