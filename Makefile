# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WEB_STAMP := node_modules/.installed

.PHONY: install demo test test-js lint lint-web bench chaos fuzz fuzz-decoder screenshots serve clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt $(wildcard soda_service/engine/native/*)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/soda-service demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory lint-web

# Format, lint and types of the pages' scripts. The tools come from npm and are for development only:
# a machine without npm or without a way to them skips this and is told so.
lint-web:
	@if ! command -v npm > /dev/null; then \
		echo "lint-web: npm is not installed: the scripts of the pages are not checked"; \
	elif ! $(MAKE) --no-print-directory $(WEB_STAMP) 2> /dev/null; then \
		echo "lint-web: npm could not fetch the tools of package.json: the scripts of the pages are not checked"; \
	else npm run --silent lint; fi

$(WEB_STAMP): package.json
	npm install --silent --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000
	@touch $@

# The unit tests of the pages' scripts; pytest runs them as well, where there is Node.
test-js:
	node --test tests/js/*.test.js

bench: install
	$(BIN)/python -m tests.bench --write

# Longer than what `make test` does: real jobs while processes are killed, and a store that is away.
chaos: install
	$(BIN)/python -m tests.e2e.chaos --kills 300
	CHAOS_OUTAGE_S=40 $(BIN)/python -m pytest tests/e2e/test_outage_store.py

# More of the random calls and events that `make test` tries on the job store, eleven minutes; and
# the compiled decoder under clang's fuzzer and sanitizers for FUZZ_S seconds.
FUZZ_S ?= 600
fuzz: install fuzz-decoder
	FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q -n 2 --dist loadgroup tests/contract/test_store_machine.py tests/contract/test_store_crowd.py

fuzz-decoder:
	@command -v clang > /dev/null || { echo "clang is not installed: the decoder is not fuzzed"; exit 0; }; \
	mkdir -p build/fuzz && \
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-Isoda_service/engine/native tests/fuzz/fuzz_decode.c -o build/fuzz/fuzz_decode && \
	build/fuzz/fuzz_decode -max_total_time=$(FUZZ_S) -print_final_stats=1 build/fuzz tests/fuzz/corpus

# Pictures of all pages for docs/screenshots; needs Chromium.
screenshots: install
	$(BIN)/python -m docs.screenshots

serve: install
	$(BIN)/soda-service serve --data data

clean:
	rm -rf .venv node_modules build dist *.egg-info
