"""A ledger for one household: what an application looks like that tells its maintainers how it is used."""

__version__ = "1.4.0"
