"""The site's WSGI application, in a process whose clock started at SHM_TEST_TIME and runs on from there."""

import os

import time_machine

if start := os.environ.get("SHM_TEST_TIME"):
    time_machine.travel(start, tick=True).start()

from shm_site.wsgi import application

__all__ = ["application"]
