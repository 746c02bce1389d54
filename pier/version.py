"""The one place that knows Pier's version and the Engine API versions that it speaks."""

from typing import Final

VERSION: Final = "0.1.0"
API_VERSION: Final = "1.51"
MIN_API_VERSION: Final = "1.24"
