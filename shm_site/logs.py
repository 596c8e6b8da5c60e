"""What the log must not hold: anything by which a client could be recognised.

Django writes parts of a refused request into its own messages: its Host, its Origin. Here such messages say what
happened and leave out to whom. What gunicorn would write, shm_site.gathering does without.
"""

import logging

SUSPICIOUS = "A request was refused (%s): this site accepts no such Host, Origin or cookie. See docs/settings.md."


class WithoutClients(logging.Filter):
    """Rewrites messages that quote a request. Lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.msg, record.args, record.exc_info = SUSPICIOUS, (record.name.rpartition(".")[2],), None
        return True
