"""What the machine and the process are like, under the names and in the words of the client for Go."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

SYSTEMS = {"win32": "windows", "cygwin": "windows"}
ARCHITECTURES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONTAINER_WORDS = ("docker", "lxc", "containerd")


def system() -> str:
    return SYSTEMS.get(sys.platform, sys.platform)


def architecture() -> str:
    machine = platform.machine().lower()
    return ARCHITECTURES.get(machine, machine)


def deployment_mode() -> str:
    """kubernetes, docker or standalone."""
    in_pod = os.environ.get("KUBERNETES_SERVICE_HOST") and os.environ.get("KUBERNETES_PORT")
    if in_pod or SERVICE_ACCOUNT.exists():
        return "kubernetes"
    if Path("/.dockerenv").exists() or _is_container(Path("/proc/self/cgroup")):
        return "docker"
    return "standalone"


def _is_container(cgroup: Path) -> bool:
    try:
        text = cgroup.read_text()
    except (OSError, ValueError):
        return False
    return any(word in text for word in CONTAINER_WORDS)


def resident_mb() -> int | None:
    """The process's resident memory in MiB; None where the system does not say it cheaply (all but Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024**2


def system_metrics(started: float) -> dict[str, str | int | None]:
    """`started`: time.monotonic() when the application began."""
    metrics = {
        "sys_os": system(),
        "sys_arch": architecture(),
        "sys_cpu_cores": os.cpu_count(),
        "sys_mode": deployment_mode(),
        "sys_python_version": platform.python_version(),
        "app_mem_rss_mb": resident_mb(),
        "app_uptime_h": int((time.monotonic() - started) // 3600),
    }
    return {name: value for name, value in metrics.items() if value is not None}
