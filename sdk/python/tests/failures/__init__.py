"""Whatever goes wrong around a client: the application is not affected, and little is lost."""
