"""The three invented products of the demo: what each one releases, and what its installations count."""

from dataclasses import dataclass

from metrics.simulation.shapes import Flag, Level, Pick, Share, Spec, Total


@dataclass(frozen=True)
class Release:
    """A version and the day it came out, as a part of the story's length; what is below 0 was there before."""

    version: str
    at: float

    @property
    def is_preview(self) -> bool:
        return "-" in self.version


@dataclass(frozen=True)
class Product:
    name: str
    releases: tuple[Release, ...]
    weekend: float  # how busy a Saturday is, where a weekday is 1
    headline: str  # the metric that one installation sends as text by mistake
    modes: tuple[str, ...]
    metrics: Spec


QUILLHAVEN = Product(
    name="Quillhaven",
    releases=(
        Release("2.2.4", -0.5),
        Release("2.3.1", -0.1),
        Release("2.4.0", 0.18),
        Release("2.4.1", 0.24),
        Release("2.5.0", 0.58),
        Release("2.6.0-rc.1", 0.86),
        Release("2.6.0", 0.96),
        # What comes out when the demo goes on for weeks.
        Release("2.6.1", 1.1),
        Release("2.7.0", 1.4),
    ),
    weekend=0.35,
    headline="documents_count",
    modes=("docker", "docker", "docker", "kubernetes", "binary"),
    metrics={
        "documents_count": Total(4_000, 45),
        "users_count": Total(18, 0.12),
        "sessions_open": Level(9),
        "searches_today": Level(140),
        "index_hit_ratio": Share(0.82, 0.995),
        "storage_bytes": Total(6_500_000_000, 95_000_000),
        "db": {"engine": Pick(("postgresql", "postgresql", "sqlite", "mariadb")), "size_mb": Total(380, 3.1)},
        "ocr": {"enabled": Flag(0.6), "pages_total": Total(1_200, 30)},
        "sso_enabled": Flag(0.35),
        "plan": Pick(("community", "community", "community", "team", "enterprise")),
        "sys_go_version": Pick(("1.25.4", "1.25.4", "1.24.9")),
        "app_mem_alloc_mb": Level(85, swing=0.25, scaling=0.3, digits=1),
        "app_mem_sys_mb": Level(160, swing=0.05, scaling=0.3, digits=1),
    },
)

LUMENROLL = Product(
    name="Lumenroll",
    releases=(
        Release("1.6.2", -0.3),
        Release("1.7.0", 0.08),
        Release("1.7.1", 0.13),
        Release("1.8.0", 0.47),
        Release("1.8.1", 0.7),
        Release("1.9.0-beta.2", 0.88),
        Release("1.9.0", 1.15),
    ),
    weekend=1.7,
    headline="photos_count",
    modes=("docker-compose", "docker-compose", "docker", "binary"),
    metrics={
        "photos_count": Total(22_000, 60),
        "videos_count": Total(900, 2.5),
        "albums_count": Total(140, 0.6),
        "users_count": Total(4, 0.015),
        "library_bytes": Total(180_000_000_000, 420_000_000),
        "uploads_today": Level(55),
        "faces": {"enabled": Flag(0.7), "people_count": Total(60, 0.3), "recognised_ratio": Share(0.55, 0.93)},
        "thumbnails": {"queue_length": Level(25), "cache_mb": Level(2_400, swing=0.05)},
        "storage_backend": Pick(("disk", "disk", "disk", "s3", "nfs")),
        "public_sharing": Flag(0.45),
        "sys_node_version": Pick(("24.11.1", "24.11.1", "22.21.0")),
        "app_mem_rss_mb": Level(420, swing=0.2, scaling=0.25, digits=1),
        "app_mem_heap_mb": Level(190, swing=0.3, scaling=0.25, digits=1),
    },
)

KILNRUN = Product(
    name="Kilnrun",
    releases=(
        Release("0.14.3", -0.2),
        Release("0.15.0", 0.3),
        Release("0.16.0", 0.63),
        Release("0.16.1", 0.67),
        Release("0.17.0", 0.93),
        Release("0.18.0", 1.25),
    ),
    weekend=0.2,
    headline="jobs_total",
    modes=("kubernetes", "kubernetes", "docker", "binary"),
    metrics={
        "jobs_total": Total(9_000, 210),
        "jobs_failed_total": Total(700, 17),
        "jobs_running": Level(7),
        "queue_wait_seconds": Level(11, scaling=0.4, digits=2),
        "success_ratio": Share(0.78, 0.99),
        "cache": {"hit_ratio": Share(0.35, 0.9), "size_bytes": Level(24_000_000_000, swing=0.1)},
        "runners": {"online": Level(6, swing=0.2), "registered": Total(8, 0.04)},
        "artifacts_bytes": Total(70_000_000_000, 600_000_000),
        "executor": Pick(("docker", "docker", "kubernetes", "shell")),
        "secrets_vault": Flag(0.5),
        "sys_go_version": Pick(("1.25.4", "1.24.9")),
        "app_mem_alloc_mb": Level(48, swing=0.5, scaling=0.3, digits=1),
    },
)

# In turn, installation by installation: a product that stands here twice has twice as many.
PRODUCTS = (QUILLHAVEN, LUMENROLL, QUILLHAVEN, KILNRUN, LUMENROLL, QUILLHAVEN, QUILLHAVEN, LUMENROLL, KILNRUN)

# By how common they are.
SYSTEMS = {"linux/amd64": 55, "linux/arm64": 25, "windows/amd64": 11, "darwin/arm64": 9}

# What every product sends of the machine it runs on, by operating system.
SYSTEM_METRICS: dict[str, Spec] = {
    os: {"sys_os_version": Pick(versions), "sys_cpu_cores": Pick(cores)}
    for os, versions, cores in (
        ("linux", ("Debian 13", "Ubuntu 24.04", "Ubuntu 24.04", "Alpine 3.22"), (2, 4, 4, 8, 16, 32)),
        ("windows", ("Server 2022", "Server 2025"), (4, 8, 16)),
        ("darwin", ("26.1", "15.7"), (8, 10, 12)),
    )
}
