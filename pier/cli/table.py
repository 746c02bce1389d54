"""Text in columns, aligned as Go's tabwriter does: at least 10 wide, 3 apart.

A column is a run of consecutive lines that have a tab-ended cell at that place; text after the
last tab belongs to no column.
"""

from __future__ import annotations

MINIMUM = 10
PADDING = 3


def align(text: str, minimum: int = MINIMUM, padding: int = PADDING) -> str:
    """Replace the tabs of ``text`` by spaces."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[0] * (len(cells) - 1) for cells in lines]
    _measure(lines, widths, 0, 0, len(lines), minimum, padding)
    out = []
    for cells, columns in zip(lines, widths, strict=True):
        padded = [cell + " " * (width - len(cell)) for cell, width in zip(cells, columns, strict=False)]
        out.append("".join(padded) + cells[-1])
    return "\n".join(out)


def _measure(
    lines: list[list[str]], widths: list[list[int]], column: int, first: int, last: int, minimum: int, padding: int
) -> None:
    start = first
    while start < last:
        if len(lines[start]) - 1 <= column:
            start += 1
            continue
        end = start
        while end < last and len(lines[end]) - 1 > column:
            end += 1
        width = max(minimum, *(len(lines[row][column]) + padding for row in range(start, end)))
        for row in range(start, end):
            widths[row][column] = width
        _measure(lines, widths, column + 1, start, end, minimum, padding)
        start = end
