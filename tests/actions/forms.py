"""What there is to do to an instance, and what has to be typed for it."""

ACTIONS = ["approve", "revoke", "restore", "exclude", "include", "erase"]


def confirmed(installation, name):
    """What has to be typed before it is done."""
    return {"confirmation": installation.id[:8]} if name == "erase" else {}
