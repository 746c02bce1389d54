"""Build arguments that are options of the builder (pure)."""

import msgspec

from pier.build.request import BuildRequest, CacheSpec
from pier.errors import InvalidArgument

_EPOCH = "SOURCE_DATE_EPOCH"
_INLINE = "BUILDKIT_INLINE_CACHE"


def with_options(request: BuildRequest) -> BuildRequest:
    """The request with what its build arguments ask for. InvalidArgument for a time that is none."""
    epoch = request.build_args.get(_EPOCH, "")
    if epoch and request.source_date_epoch is None:
        if not epoch.lstrip("-").isdecimal():
            raise InvalidArgument(
                f'invalid SOURCE_DATE_EPOCH: {epoch}: strconv.ParseInt: parsing "{epoch}": invalid syntax'
            )
        request = msgspec.structs.replace(request, source_date_epoch=int(epoch))
    inline = request.build_args.get(_INLINE, "").lower() in ("1", "t", "true")
    if inline and not any(spec.type == "inline" for spec in request.cache_to):
        request = msgspec.structs.replace(request, cache_to=(*request.cache_to, CacheSpec("inline")))
    return request
