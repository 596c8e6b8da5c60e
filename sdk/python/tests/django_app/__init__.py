"""shm_sdk.django: what its setting means, what the checks say of it, and when a process begins to report."""
