"""How static files are kept: each under a name that changes with its content."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Renames what scripts import of each other as well, since no file stays under its own name."""

    support_js_module_import_aggregation = True
