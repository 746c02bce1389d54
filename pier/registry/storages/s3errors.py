"""What S3 and the way to it say, as kinds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from pier.errors import DataCorrupted, NoSpace, NotFound, PierError, Unavailable

_ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
_UPLOAD_GONE: Final = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder"}
_FULL: Final = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge", "507", "413"}


class Silent(Unavailable):
    """It has taken the question, and says nothing."""


@contextmanager
def as_kinds() -> Iterator[None]:
    """NotFound; DataCorrupted for an upload that is gone; NoSpace; Silent; Unavailable for all else."""
    try:
        yield
    except ClientError as error:
        fault = error.response.get("Error", {})
        raise kind_of(str(fault.get("Code", "")), str(fault.get("Message", error))) from error
    except TimeoutError as error:
        raise Silent("the object storage is silent") from error
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"the object storage does not answer: {str(error) or type(error).__name__}") from error


def kind_of(code: str, message: str) -> PierError:
    """``code`` is S3's, or the HTTP status where there is no more."""
    if code in _ABSENT:
        return NotFound(f"no bytes there: {message}")
    if code == "InvalidRange":
        return DataCorrupted(f"an object is shorter than it was: {message}")
    if code in _UPLOAD_GONE:
        return DataCorrupted(f"the object storage has no such upload: {message}")
    if code in _FULL:
        return NoSpace(f"the object storage is full: {message}")
    return Unavailable(f"the object storage refuses: {message or code}")
