# Variables given on the command line (make run PORT=9000) reach every command below through its environment.
PYTHON := .venv/bin/python
DATA := $(CURDIR)/data

.DEFAULT_GOAL := help
.PHONY: help run demo worker test lint messages fonts bench bench-client bench-ingest lighthouse screenshots python3 chromium

help: ## List the targets.
	@echo "Usage: make TARGET [PORT=8080] [DATABASE_URL=...]; docs/settings.md lists every variable."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The recipes that start the server are one program each (exec), so that a signal for make reaches it.

run: .venv/.installed ## Run the server and its worker on this machine, with SQLite in data/ unless DATABASE_URL is set.
	@exec $(PYTHON) manage.py up

demo: .venv/.installed ## The same with an invented fleet, in data/demo: never mixed with real data.
	@exec env -u DATABASE_URL -u DATABASE_URL_FILE -u SHM_DB_DSN -u SHM_DB_DSN_FILE -u SHM_STATIC_DIR \
		SHM_DATA_DIR=$(DATA)/demo $(PYTHON) manage.py up --demo

worker: .venv/.installed ## The regular work alone, beside a web server that was started without it.
	@exec $(PYTHON) manage.py worker

test: lint chromium ## All checks, the tests of the Python client, and all tests on SQLite and on a PostgreSQL of their own.
	cd sdk/python && ../../$(PYTHON) -m pytest -n 2
	$(PYTHON) -m pytest -n 2
	$(PYTHON) -m tests.postgres $(PYTHON) -m pytest -n 2

lint: .venv/.installed-dev ## Style, types, whether a migration is missing, and whether the client runs on old Pythons.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy manage.py shm_site instances metrics dashboard tests/postgres.py
	DJANGO_SETTINGS_MODULE=tests.settings $(PYTHON) manage.py makemigrations --check
	cd sdk/python && ../../$(PYTHON) -m mypy src
	.venv/bin/vermin --quiet --target=3.9- --no-tips sdk/python/src

fonts: .venv/.installed-dev ## Make the pages' fonts again, after an upgrade of django-unfold or for a new icon.
	DJANGO_SETTINGS_MODULE=tests.settings $(PYTHON) -m tests.fonts

# Without line numbers, which would change with every change of a file.
messages: .venv/.installed-dev ## Gather the texts of the pages into locale/, and compile the translations: docs/translating.md.
	@command -v msgmerge >/dev/null || { echo "This takes GNU gettext. On Debian: apt-get install gettext" >&2; exit 1; }
	$(PYTHON) manage.py makemessages --all --no-location --no-obsolete $(foreach folder,.venv data tests sdk benchmarks docs,--ignore=$(folder))
	$(PYTHON) manage.py compilemessages --ignore=.venv --ignore=data

bench: .venv/.installed-dev ## Measure how much the server takes.
	$(PYTHON) -m benchmarks

bench-ingest: .venv/.installed-dev ## The same for the storing of snapshots alone, on the terminal.
	$(PYTHON) -m benchmarks ingestion

bench-client: .venv/.installed-dev ## Measure what the Python client costs an application.
	cd sdk/python && ../../$(PYTHON) -m benchmarks

lighthouse: .venv/.installed-dev chromium ## Have Lighthouse (of npm, on the PATH) judge the pages of a fleet of 1,000.
	$(PYTHON) -m benchmarks browsing

screenshots: .venv/.installed-dev chromium ## Take the pictures of the README and docs, of the demo fleet.
	$(PYTHON) docs/screenshots.py

.venv/.installed: requirements.txt | python3
	@python3 -m venv .venv || { echo "The virtual environment could not be made. On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(PYTHON) -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

python3:
	@command -v python3 >/dev/null || { echo "There is no python3. On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$$(python3 --version) is too old: the server needs Python 3.11 or newer as python3." >&2; exit 1; }

# The tests of the pages drive it.
chromium:
	@if command -v chromium >/dev/null || [ -x /usr/bin/chromium ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo="sudo -n"; fi; \
	if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
		$$sudo apt-get update && $$sudo apt-get install -y --no-install-recommends chromium; \
	else \
		echo "The tests need Chromium: install it so that 'chromium' is on the PATH, on Debian as root with apt-get install chromium." >&2; \
		exit 1; \
	fi
