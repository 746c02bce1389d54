"""For tests only: fakes, fixtures and the conformance suites that every driver of a contract must pass."""
