"""`manage.py worker`: the process that does the regular work."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils import timezone

from instances.jobs import DATABASE_ERRORS, Worker, in_words
from shm_site.stopping import Stopping

logger = logging.getLogger("instances.jobs")

# Looks at least so often: what another worker had in hand when it was killed is taken over when its lease has ended.
LOOK_SECONDS = 60
DATABASE_RETRY_SECONDS = 10


class Command(BaseCommand):
    help = "Does the regular work of the site until it is told to stop. Any number of workers may run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Do what is due and end, for cron.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        worker = Worker()
        with Stopping() as stopping:
            if once:
                return self._once(worker, stopping)
            logger.info("The worker has started: %s", ", ".join(work.name for work in worker.work))
            while not stopping:
                stopping.wait(self._round(worker, stopping))
            logger.info("The worker has stopped")
        return None

    def _round(self, worker: Worker, stopping: Stopping) -> float:
        """Does what is due. Returns the seconds until there is something to do again."""
        close_old_connections()  # As Django does before a request: one that the server has dropped is opened anew.
        try:
            worker.run_due(timezone.now(), stopping)
            return min(LOOK_SECONDS, worker.seconds_until_due(timezone.now()))
        except DATABASE_ERRORS as error:
            logger.error(
                "The database does not answer, or has not been migrated; trying again in %d s: %s",
                DATABASE_RETRY_SECONDS,
                in_words(error),
            )
            return DATABASE_RETRY_SECONDS

    def _once(self, worker: Worker, stopping: Stopping) -> None:
        try:
            failed = worker.run_due(timezone.now(), stopping)
        except DATABASE_ERRORS as error:
            raise CommandError(
                f"The database does not answer, or has not been migrated: {in_words(error)}. "
                "Check DATABASE_URL and run manage.py migrate."
            ) from error
        if failed:
            raise CommandError(f"{', '.join(failed)} failed; the log above says why.")
