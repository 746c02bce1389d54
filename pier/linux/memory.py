"""The C library's allocator: keeping a long-lived process small (mallopt(3), malloc_trim(3))."""

from pier.linux.libc import libc

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8


def limit_arenas(count: int) -> None:
    """Let threads share ``count`` heaps. Call before the first thread; a C library without mallopt ignores it."""
    if hasattr(libc, "mallopt"):
        libc.mallopt(_ARENA_MAX, count)
        libc.mallopt(_TRIM_THRESHOLD, 256 << 10)


def keep_buffers(largest: int, most: int) -> None:
    """Reuse freed memory for buffers of up to ``largest`` bytes, and keep at most ``most`` free bytes for that.

    By itself the C library asks the system for each large buffer anew, whose pages the kernel then zeroes.
    """
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, largest)
        libc.mallopt(_TRIM_THRESHOLD, most)


def trim() -> None:
    """Give free memory back to the system."""
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
