# For everyone: run, test. For developers: lint, format, bench, openapi, postman, lock, audit, sbom.
# Nothing has to be set up first: each target makes the environment that it needs.

VENV := .venv
# The user's own pytest arguments, as in: make test ARGS="-k orders"
ARGS :=

NODE_TOOLS := postman/node_modules/.installed tests/oidc/node_modules/.installed

CHECKS := check-format check-style check-types check-imports check-expressions check-contract

.DEFAULT_GOAL := help
.PHONY: help run test coverage lint format bench bench-peers openapi postman lock audit sbom clean $(CHECKS)

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Start the backend on http://127.0.0.1:8000 with paper money
	@exec $(VENV)/bin/octobot-backend run

test: $(VENV)/.installed-dev $(NODE_TOOLS) ## Run all tests, and what depends on OctoBot on both its lines
	+@scripts/run_tests.sh $(VENV) $(ARGS)

coverage: $(VENV)/.installed-dev $(NODE_TOOLS) ## Run all tests on one Python and list the lines and branches that none reached
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term-missing $(ARGS)

lint: $(VENV)/.installed-dev ## Check format, style, types, imports, regular expressions and swagger.yaml
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

check-format:
	$(VENV)/bin/ruff format --check .

check-style:
	$(VENV)/bin/ruff check .

check-types:
	$(VENV)/bin/mypy
	cd clients/python && $(abspath $(VENV))/bin/mypy --config-file pyproject.toml

check-imports:
	$(VENV)/bin/lint-imports --no-logo

check-expressions:
	$(VENV)/bin/python scripts/check_expressions.py

check-contract:
	$(VENV)/bin/octobot-backend openapi | diff -u swagger.yaml -

format: $(VENV)/.installed-dev ## Format the code and repair what can be repaired
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.installed-dev ## Run the benchmarks; tables here, JSON in benchmarks/results
	$(VENV)/bin/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.installed-dev ## Measure freqtrade beside ours; installs it the first time
	$(VENV)/bin/python -m benchmarks.peers

openapi: $(VENV)/.installed ## Write swagger.yaml from the code
	$(VENV)/bin/octobot-backend openapi > swagger.yaml.new
	mv swagger.yaml.new swagger.yaml

postman: postman/node_modules/.installed ## Write the Postman collection and environment from swagger.yaml
	cd postman && npm run --silent generate

lock: .venv-tools/.installed ## Write requirements/*.lock; newer versions with ARGS=--upgrade
	.venv-tools/bin/python scripts/lock.py $(ARGS)

audit: .venv-tools/.installed ## Ask for known holes of everything that is locked
	@.venv-tools/bin/python scripts/audit.py $(ARGS)

sbom: .venv-tools/.installed ## Write the bills of materials into dist/, as CycloneDX
	@.venv-tools/bin/python scripts/sbom.py

clean: ## Remove environments and caches; keeps instance/, where the bot's data is
	rm -rf .venv .venv-older .venv-newer .venv-tools benchmarks/peers/.venv postman/node_modules tests/oidc/node_modules build *.egg-info
	rm -rf .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.installed: setup.py
	@scripts/install.sh $(VENV) any ""
	@touch $@

$(VENV)/.installed-dev: setup.py
	@scripts/install.sh $(VENV) any dev
	@touch $@ $(VENV)/.installed

.venv-%/.installed-dev: setup.py
	@scripts/install.sh .venv-$* $* dev
	@touch $@

.venv-tools/.installed: requirements/tools.lock
	@python=$$(scripts/find_python.sh any) && "$$python" scripts/make_venv.py .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

%/node_modules/.installed: %/package-lock.json
	@scripts/install_node_tools.sh $*
