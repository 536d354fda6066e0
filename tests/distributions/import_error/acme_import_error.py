import acme_that_does_not_exist  # noqa: F401
