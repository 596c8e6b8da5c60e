"""Gunicorn's configuration: `gunicorn --config python:shm_site.gunicorn shm_site.wsgi`."""

import resource
from multiprocessing.sharedctypes import RawArray
from typing import Any

from shm_site import env

_host = env.text("SHM_HOST", "0.0.0.0").strip("[]")  # noqa: S104
_port = env.integer("PORT", 8080, minimum=1, maximum=65535)
# Each connection takes a file descriptor, and what most systems allow at first is not enough for all of them.
_files, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
if _files < 4096:
    _files = 4096 if _most == resource.RLIM_INFINITY else min(4096, _most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _most))

bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
worker_class = "shm_site.gathering.GatheringWorker"
workers = env.integer("SHM_WORKERS", 2, minimum=1)
threads = env.integer("SHM_THREADS", 8, minimum=1)
# Of a process. Beyond them the one that has idled longest is closed. Some files are left for everything else.
worker_connections = max(threads + 1, min(2000, _files - 100))
# A worker process whose main loop has hung for so long is replaced.
timeout = 30
graceful_timeout = 20
keepalive = 75
# No access log: it would hold the addresses of all instances.
accesslog = None
errorlog = "-"
# Forwarding headers are read in one place, by shm_site.middleware; here they would be trusted from localhost.
forwarded_allow_ips = ""
control_socket_disable = True

# What the processes tell each other, so that none takes all connections (shm_site.gathering).
_connections = RawArray("i", workers)


def pre_fork(server: Any, worker: Any) -> None:
    """Gives a new process its place, that of one that has ended."""
    taken = {sibling.place for sibling in server.WORKERS.values()}
    worker.connections = _connections
    worker.place = next((place for place in range(workers) if place not in taken), None)
    if worker.place is not None:
        _connections[worker.place] = 0
