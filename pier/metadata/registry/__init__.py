"""The registry's records in SQL: :class:`pier.registry.records.Records` over SQLite or PostgreSQL.

One set of statements serves both. A noun's file holds functions of one transaction; :mod:`.records` gives each its own.
"""
