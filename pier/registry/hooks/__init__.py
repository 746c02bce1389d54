"""Telling other services what happened here."""
