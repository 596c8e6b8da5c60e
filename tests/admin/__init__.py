"""Django's admin over applications, instances, keys, teams, users and the audit log."""
