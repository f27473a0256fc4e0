# Everything happens in .venv; a second run finds it made.
# make demo · make test · make proof · make notebook · make figures · make lock · make apt

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python, \
	$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SPEECH := $(foreach l,en es fr,asterisk-core-sounds-$(l) asterisk-core-sounds-$(l)-wav)
OLD_PANDAS := .venv/pandas-2.2

.DEFAULT_GOAL := demo
.PHONY: demo test proof lint types imports unit old-pandas notebooks notebook figures lock apt clean

demo: .venv/.runs
	$(BIN)/asr-pandas demo

test: lint types imports unit old-pandas notebooks
	@echo "make test: everything passed"

lint: .venv/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.tests
	$(BIN)/mypy

imports: .venv/.tests
	$(BIN)/lint-imports

unit: .venv/.tests
	$(BIN)/python -m pytest --cov --cov-report=term

# The oldest pandas that is supported, laid over the others: only what sees pandas runs again.
old-pandas: $(OLD_PANDAS)
	PYTHONPATH=$(OLD_PANDAS) $(BIN)/python -m pytest -q -W default tests/test_transcribe.py \
		tests/test_doors.py tests/test_columns.py tests/test_delivery.py tests/files \
		tests/test_usage.py tests/test_retrying.py tests/test_plan.py tests/test_running.py \
		tests/test_adversity.py

notebooks: .venv/.tests
	env -u DASHSCOPE_API_KEY ASR_PANDAS_JOURNAL=$$(mktemp -d)/journal.sqlite \
		$(BIN)/python -m pytest -p nbval --nbval notebooks

notebook: .venv/.tests
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

# Minutes long, and not part of the tests: the promises at full size.
proof: .venv/.tests
	$(BIN)/python -m tests.proof

# Minutes long, and not part of the tests: the figures in the README.
figures: .venv/.tests
	$(BIN)/python tests/benchmarks/accuracy.py

lock:
	uv pip compile --quiet --no-header --universal --python-version 3.11 --all-extras \
		--group test pyproject.toml --output-file requirements.lock

apt:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SPEECH)

clean:
	rm -rf .venv

.venv/.made:
	@test -n "$(PYTHON)" || { echo "asr-pandas needs Python 3.11 or later; name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python has no venv; on Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.runs: .venv/.made pyproject.toml requirements.lock
	@echo "setting up .venv: about 1 GB and a minute or two, once"
	@$(PIP) --constraint requirements.lock --editable '.[local]'
	@touch $@

.venv/.tests: .venv/.runs
	@echo "adding what the tests need"
	@$(PIP) --requirement requirements.lock
	@touch $@

$(OLD_PANDAS): .venv/.tests
	@$(PIP) --no-deps --target $@ pandas==2.2.3 pytz
