"""Answering what a client asks of a Dockerfile: it is read as for a build, and nothing is built."""

from typing import Final

from pier.api.buildkit import subrequests
from pier.build.deps import Build
from pier.build.dockerfile.lint import lint
from pier.build.reading import read

REQUEST: Final = "requestid"


async def answer(build: Build, asked: str) -> subrequests.Answer:
    """Raises Unsupported in BuildKit's words for what cannot be asked."""
    subrequests.check_known(asked)
    if asked == subrequests.DESCRIBE:
        return subrequests.describe()
    async with build.lasting:
        dockerfile = (await read(build)).dockerfile
    if asked == subrequests.TARGETS:
        return subrequests.targets(dockerfile)
    if asked == subrequests.OUTLINE:
        return subrequests.outline(dockerfile, build.request.target)
    return subrequests.lint(dockerfile, lint(dockerfile))
