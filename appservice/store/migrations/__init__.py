"""Alembic migrations, run by `appservice.store.migrate`."""
