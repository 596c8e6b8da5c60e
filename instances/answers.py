"""What the maintainers let every instance of an application know, in the answers to its snapshots."""


def extras(latest_version: str, notice: str) -> dict[str, str]:
    """Goes into the answer beside its status; nothing of what the maintainers have left empty."""
    said = {"latest_version": latest_version, "notice": notice}
    return {name: text for name, text in said.items() if text}
