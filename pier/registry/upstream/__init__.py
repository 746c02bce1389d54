"""Pulling through from other registries, and keeping what comes."""
