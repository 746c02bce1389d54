"""``.dockerignore`` for builds (pure): the matcher lies where the client can reach it, too."""

from pier.oci.ignore import Matcher, parse_ignore

__all__ = ["Matcher", "parse_ignore"]
