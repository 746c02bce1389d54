"""The client's terminal for a shell where a step has failed: bytes both ways until the shell ends."""

import asyncio

from pier.api.buildstream.frames import ANSWER, DATA, END
from pier.api.buildstream.link import Channel, Link
from pier.build.steps.errorshell import FailedStep, Shell
from pier.errors import PierError, Unsupported


async def show(link: Link, failed: FailedStep) -> None:
    """Returns when the shell has ended, or there can be none: that must not hide why the step failed."""
    with link.open() as channel:
        try:
            async with failed.shell() as shell:
                await channel.ask("shell", name=failed.name, error=failed.error)
                await _carry(channel, shell)
                await channel.close()
        except Unsupported as error:
            await channel.ask("told", text=f"no shell: {error}")


async def _carry(channel: Channel, shell: Shell) -> None:
    typing = asyncio.ensure_future(_typed(channel, shell))
    try:
        while (piece := await shell.stream.read()) is not None:
            await channel.send(piece[1])
    finally:
        typing.cancel()
        await asyncio.wait({typing})
        if not typing.cancelled():
            typing.exception()


async def _typed(channel: Channel, shell: Shell) -> None:
    """DATA is typed; an ANSWER is the size of the terminal: height and width."""
    while (frame := await channel.get()).kind != END:
        if frame.kind == DATA:
            await shell.stream.write(frame.payload)
        elif frame.kind == ANSWER:
            await _resize(shell, frame.payload)


async def _resize(shell: Shell, payload: bytes) -> None:
    height, width = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")
    try:
        await shell.resize(width, height)
    except PierError:
        return  # it has ended already
