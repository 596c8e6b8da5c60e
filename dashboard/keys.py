"""What a metric is called, by its key alone. Pure."""

from metrics.census import DESCRIPTION
from metrics.keys import is_system

ABBREVIATIONS = {"api", "cpu", "db", "gb", "http", "id", "io", "ip", "kb", "mb", "os", "rss", "sql", "tb", "ui", "url"}


def label(key: str) -> str:
    """A title for a key: "documents_created" becomes "Documents created", "sys_cpu_cores" "CPU cores"."""
    if key in DESCRIPTION:
        return DESCRIPTION[key]
    bare = key.split("_", 1)[1] if is_system(key) else key
    words = bare.replace("_", " ").replace(".", " › ").split()
    words = [word.upper() if word.lower() in ABBREVIATIONS else word for word in words]
    title = " ".join(words)
    return title[:1].upper() + title[1:] or "(empty key)"
