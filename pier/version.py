"""The one place that knows Pier's version and the Engine API versions that it speaks."""

VERSION = "0.1.0"
API_VERSION = "1.51"
MIN_API_VERSION = "1.24"
