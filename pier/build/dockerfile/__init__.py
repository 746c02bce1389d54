"""The Dockerfile language: parsing, expanding, linting, and lowering to a graph. Pure."""
