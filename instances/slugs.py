"""The slug of an application, from the name that its instances send."""

import hashlib
import re
import unicodedata

MAX_LENGTH = 100


def slug_for(name: str) -> str:
    """A slug of lower-case ASCII letters, digits and single hyphens, never empty.

    "Über App_2" becomes "uber-app-2", as with SHM, so that badge addresses already published keep working. A
    name without any ASCII letter or digit gets a slug of its own from its hash; SHM calls all of those "app".
    """
    folded = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    if separated := re.sub(r"[^a-z0-9]+", "-", folded).strip("-"):
        return separated[:MAX_LENGTH].strip("-")
    return f"app-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
