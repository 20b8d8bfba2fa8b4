# make chat        set up (first time) and talk
# make ask Q="?"   set up and answer one question
# make test        set up and run the tests
# make check       format, lint, types, layers and tests: what a change has to pass
# make setup       only set up: .venv with collegium, and the default models; done already: under a second

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
# Two processes: more would load the base model more often than two cores have use for.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
export Q

.PHONY: chat ask test check format setup clean

chat: setup
	@$(BIN)/collegium chat

ask: setup
	@if [ -z "$$Q" ]; then echo 'usage: make ask Q="your question"' >&2; exit 2; fi
	@$(BIN)/collegium ask -- "$$Q"

test: setup
	$(PYTEST)

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(PYTEST)

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

setup: $(STAMP)
	@$(BIN)/collegium models pull >/dev/null

# The stamp comes last: an interrupted set-up is taken up again by the next one.
$(STAMP): pyproject.toml constraints.txt .ci/setup
	.ci/setup $(VENV)
	@touch $@

clean:
	rm -rf $(VENV)
