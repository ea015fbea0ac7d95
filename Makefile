# Two commands for everybody: `make run` and `make test`.  Both make .venv by themselves.
#   PYTHON  the interpreter to make the environment with      make run PYTHON=python3.12
#   VENV    where the environment is                          make test VENV=/tmp/venv
#   ARGS    more arguments for pytest                         make test ARGS="tests/unit/ring -x"
#   WORKERS how many at once, 2 to 4 by itself                make test WORKERS=2
#   ORDERS  how many orders `make run` sends                  make run ORDERS=100000

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
ORDERS ?= 1000000
BIN := $(VENV)/bin
# The tests start processes by the hundred, and each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE
# Extras that services run with; their images have nothing else.
SERVICES := portal custody venue operations console replication ledger surveillance journal telemetry
# Without --no-compile pip compiles every module there is, of which a quarter is ever imported.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# A test that has not ended after 20 minutes prints its stack and fails.
PATIENCE := -o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true

.PHONY: help run demo test check test-long evidence docs wheel images lock sbom fpga fpga-formal fpga-mutate fpga-faults fpga-classes fpga-pnr fpga-synthesis \
	fpga-coverage fpga-live lint clean
.DELETE_ON_ERROR:

help:
	@echo "make run        one million orders through the whole pipeline; leaves report.html"
	@echo "make demo       an exchange that trades, with a page, an account and a key; until Control-C"
	@echo "make test       the unit tests, and one test of each group of promises"
	@echo "make check      the system tests: real processes, sockets, browsers, simulators"
	@echo "make test-long  the tests that take minutes"
	@echo "make evidence   measure the figures that the documents quote"
	@echo "make fpga       the gateway's benches on both simulators and its static report;"
	@echo "                fpga-formal, -mutate, -faults, -classes, -pnr, -synthesis, -coverage, -live: the long ones"
	@echo "make docs       the documentation as a site in build/site, to be read without a network"
	@echo "make wheel      a wheel in dist, with kernels compiled for x86-64-v3"
	@echo "make images     OCI images of the wheel in dist and of Debian's packages (as root)"
	@echo "make lock       pin by hash what run installs (requirements.lock), and what services"
	@echo "                need (requirements-services.lock)"
	@echo "make sbom       a CycloneDX list of what is installed, in build/sbom.json"
	@echo "make lint       ruff, mypy and the check of plain English (ARGS=--report: reading ease)"
	@echo "make clean      remove what run and test left behind (not $(VENV))"

run: $(VENV)/.run-ready
	@rm -rf run-journal
	$(BIN)/outcry run --flow normal --orders $(ORDERS) --rate 100000 --topology processes \
		--durability durable --journal run-journal --report report.html

demo: $(VENV)/.demo-ready
	@$(BIN)/outcry demo $(ARGS)

# The unit tier, and of the system tier the smoke tests: one of each group of promises.
test: $(VENV)/.test-ready
	@scripts/setup-tests.sh $(BIN)/python unit
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest -n $${WORKERS:-2} --dist loadgroup --max-worker-restart 0 \
		-m "(unit or smoke) and not long" tests/unit $$(grep -rl "mark.smoke" tests/system) $(PATIENCE)
else
	$(BIN)/python -m pytest $(ARGS)
endif

check: $(VENV)/.test-ready
	@scripts/setup-tests.sh $(BIN)/python
	$(BIN)/python -m tests.support.check $(ARGS)

test-long: $(VENV)/.test-ready
	@scripts/setup-tests.sh $(BIN)/python
	$(BIN)/python -m pytest -m long $(ARGS)

evidence: $(VENV)/.test-ready
	$(BIN)/python -m openoutcry.bench.collect $(ARGS)

docs: $(VENV)/.test-ready
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Open build/site/index.html."

wheel: $(VENV)/.test-ready
	@rm -f dist/openoutcry-*.whl
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	$(BIN)/python scripts/wheel_kernels.py dist/openoutcry-*.whl

# As root, with Debian's mmdebstrap and buildah; ARGS: the images to build, all by default.
images: $(VENV)/.test-ready
	scripts/images/build.sh $(BIN)/python $(ARGS)

# The newest versions that pyproject.toml allows, for every Python and platform at once.
lock: $(VENV)/.test-ready
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command "make lock" pyproject.toml scripts/build-requirements.txt \
		--output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command "make lock" pyproject.toml scripts/build-requirements.txt \
		$(addprefix --extra ,$(SERVICES)) --output-file requirements-services.lock

sbom: $(VENV)/.test-ready
	@mkdir -p build
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json $(BIN)/python
	@echo "build/sbom.json lists what is installed in $(VENV)."

fpga: $(VENV)/.test-ready
	@scripts/setup-system.sh $(BIN)/python
	$(BIN)/python -m tests.support.gateway_fpga.simulators $(ARGS)
	$(BIN)/python -m openoutcry.gateway_fpga.tools.report
	$(BIN)/python -m openoutcry.gateway_fpga.tools.page

# Each of these puts its figures into docs/evidence/fpga.json and docs/fpga.md.
fpga-formal: TOOL = openoutcry.gateway_fpga.formal.run
fpga-mutate: TOOL = tests.support.gateway_fpga.mutate
fpga-faults: TOOL = tests.support.gateway_fpga.faults
fpga-classes: TOOL = tests.support.gateway_fpga.faults_by_class
fpga-pnr: TOOL = openoutcry.gateway_fpga.tools.pnr
fpga-synthesis: TOOL = openoutcry.gateway_fpga.tools.synthesis
fpga-coverage: TOOL = tests.support.gateway_fpga.coverage
fpga-live: TOOL = tests.support.gateway_fpga.measure_live
fpga-formal fpga-mutate fpga-faults fpga-classes fpga-pnr fpga-synthesis fpga-coverage fpga-live: $(VENV)/.test-ready
	@scripts/setup-system.sh $(BIN)/python
	$(BIN)/python -m $(TOOL) $(ARGS)
	$(BIN)/python -m openoutcry.gateway_fpga.tools.page

lint: $(VENV)/.test-ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m tests.support.documents.prose $(ARGS)

clean:
	rm -rf run-journal report.html build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@scripts/make-venv.sh "$(PYTHON)" "$(VENV)"

$(VENV)/.run-ready: pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "Installing Open Outcry and what it needs from PyPI into $(VENV): a minute or two."
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m openoutcry.dpdk_shim.native
	@touch $@

$(VENV)/.demo-ready: $(VENV)/.run-ready
	@echo "Installing what pages and accounts need from PyPI into $(VENV): half a minute."
	@$(PIP) --editable '.[portal,console]'
	@touch $@

$(VENV)/.test-ready: $(VENV)/.run-ready
	@echo "Installing what the tests need from PyPI into $(VENV): a minute or two."
	@scripts/setup-system.sh $(BIN)/python compilers
	@$(PIP) --editable '.[test]'
	@touch $@
