# Needs only Python 3.11, pip, venv, make and git. `make demo` shows it, `make up` runs it, `make test` proves it.
PYTHON ?= python3
ARGS ?= -n 4 --dist worksteal
SEEDS ?= 1000
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := libs/contracts libs/bus libs/healing libs/pod services/router services/health services/backup services/runtime-remediator \
  tools/joelclaw
STAMP := $(VENV)/.complete
RESOLVE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate
PEERS := arq streaq taskiq docket
COMPILE = $(RESOLVE) $(MEMBERS:%=%/pyproject.toml) \
  $(foreach m,contracts bus healing pod router health backup runtime-remediator cli,--no-emit-package joelclaw-$(m))

.PHONY: help setup demo up test check model policy router-kills decide advice what-if mutants simulate chaos failover durability bench bench-quick bench-cost backup-speed cron waits faults-long trim-million runs-million due-storm silence poison typesense backup-faults lock clean drills
.DEFAULT_GOAL := help

help: ## What there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## The environment, in .venv
$(STAMP): requirements-dev.lock $(MEMBERS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "system-bus needs Python 3.11 or newer; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (a minute on the first run)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@

demo: setup ## See it heal itself, on a temporary suite (half a minute)
	@$(BIN)/joelclaw demo

up: setup ## Run the suite here (Ctrl-C stops it)
	@$(BIN)/joelclaw up

test: setup ## Pass the tests
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest $(ARGS) $(MORE) # they start hundreds of Pythons: compiled once

chaos: setup ## Kill, freeze and cut off workers and store for eight minutes, and judge it (SEED=…)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

failover: setup ## Kill the primary 50 times under load, at each durability level (KILLS=, ON=sentinel|cluster)
	@$(BIN)/python -m tests.failover.drill --kills $(or $(KILLS),50) --on $(or $(ON),sentinel)

durability: setup ## What the durability levels cost, as ratios
	@$(BIN)/python -m bench.durability

model: setup ## Hold the scripts against a model, 100,000 random steps (MODEL_STEPS, MODEL_SEED)
	@MODEL_STEPS=$${MODEL_STEPS:-100000} $(BIN)/python -m pytest tests/model -n 0

policy: setup ## Hold the policy against its budgets, 100,000 random steps on the real scripts (POLICY_STEPS, POLICY_SEED)
	@POLICY_STEPS=$${POLICY_STEPS:-100000} $(BIN)/python -m pytest tests/policy -n 0

router-kills: setup ## SIGKILL the router 100 times at random moments: no decision lost, none doubled (ROUTER_KILLS, ROUTER_SEED)
	@ROUTER_KILLS=$${ROUTER_KILLS:-100} $(BIN)/python -m pytest tests/router/test_main.py -n 0 -k killed

mutants: setup ## Take one safeguard away at a time: the tests must go red
	@$(BIN)/python -m tests.mutation $(MUTANTS)

typesense: setup ## Typesense backups against real servers: each of its lies, and the command end to end (2 minutes)
	@$(BIN)/python -m pytest tests/typesense tests/cli/test_backup_typesense.py -m typesense -n 2 $(MORE)

drills: setup ## 50 sets with which nothing is wrong, each restored and compared: no false alarm (DRILLS=--count=500)
	@$(BIN)/python -m tests.backup.drills $(DRILLS)

backup-faults: setup ## Break backups in every way, as root: the table, then 8 campaigns of kills, 200 or 50 each (FAULTS='--kills 20')
	@$(BIN)/python -m tests.backup.faults $(FAULTS)

check: setup ## ruff, mypy strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

simulate: setup ## Histories of whole suites in virtual time: SEEDS=1000, or SEED=n again with its trace (needs faketime)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

faults-long: trim-million runs-million due-storm silence poison ## The long forms of the fault tests (a quarter of an hour)

trim-million: setup ## Three groups, one stopped, a million events: nothing lost, memory by its lag
	@$(BIN)/python -m tests.faults.by_hand trim

runs-million: setup ## A million runs with short windows: memory stays flat
	@$(BIN)/python -m tests.faults.by_hand runs

due-storm: setup ## 200,000 events due at once: the worst ping, and how fresh work fares
	@$(BIN)/python -m tests.faults.by_hand storm

silence: setup ## A silent store at the default settings: seen how soon, at work again how soon
	@$(BIN)/python -m tests.faults.by_hand silence

poison: setup ## A poison that freezes its process: what the others get done
	@$(BIN)/python -m tests.faults.by_hand poison

bench: setup ## How fast it is, beside the raw limit and its peers: a quarter of an hour (BENCH="--only idle"; --help)
	@$(BIN)/python -m bench $(BENCH)

bench-quick: setup ## Runs, steps and publishing beside the limit of the store, in under a minute
	@$(BIN)/python -m bench --quick --without-peers --only drained --only steps --only publish

bench-cost: setup ## What a run takes of the processors, its round trips and commands (ROW=drained: where)
	@$(BIN)/python -m bench.cost $(if $(ROW),--functions "$(ROW)")

decide: setup ## What deciding costs: the pure page, and requests at 500 a second from stream to announcement
	@$(BIN)/python -m bench.decide

advice: setup ## 1,000 scripted answers of a model: 0 acts outside the table, each decision in time
	@$(BIN)/python -m bench.advice

what-if: setup ## A month of incidents on a clock of its own, tried under another configuration
	@$(BIN)/python -m bench.what_if

backup-speed: setup ## A copy of 1 GiB over SSH against scp, to a mount against cp and sha256sum (root, Debian's sshd)
	@$(BIN)/python -m bench.backup_speed

cron: setup ## Cron in all time zones, twenty years, against a slow oracle (a few minutes; CRON_SEED)
	@CRON_ZONES=all $(BIN)/python -m pytest tests/bus/test_cron_zones.py -n 2

waits: setup ## 10,000 answers sent around the moment that their run begins to wait (4 minutes)
	@$(BIN)/python -m bench.waits

lock: ## Compile the lock files anew (hashes, no addresses)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) --group pyproject.toml:dev -o requirements-dev.lock
	@for peer in $(PEERS); do $(RESOLVE) bench/peers/$$peer.in -o bench/peers/$$peer.txt; done

clean: ## Remove the environment
	@rm -rf $(VENV)
