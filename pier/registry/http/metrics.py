"""Figures for Prometheus, in its text format: few enough to be written without a library."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from pier.version import VERSION

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What one instance has done since it started.

    ``gauges`` and ``counters`` may be set by whoever has something to show; labels stand in the name
    (``upstream_out{upstream="hub"}``).
    """

    def __init__(self) -> None:
        self.under_way = 0
        self.gauges: dict[str, float] = {}
        self.counters: defaultdict[str, float] = defaultdict(float)
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._times: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._received: defaultdict[str, int] = defaultdict(int)
        self._sent: defaultdict[str, int] = defaultdict(int)

    def answered(self, endpoint: str, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        self._requests[endpoint, method, status] += 1
        place = next((index for index, limit in enumerate(_BUCKETS) if seconds <= limit), len(_BUCKETS))
        self._times[endpoint][place] += 1
        self._seconds[endpoint] += seconds
        self._received[endpoint] += received
        self._sent[endpoint] += sent

    def text(self) -> str:
        return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterable[str]:
        yield from _head("build_info", "gauge", "The version of Pier.")
        yield f'pier_registry_build_info{{version="{VERSION}"}} 1'
        yield from _head("requests_under_way", "gauge", "Requests that are being answered.")
        yield f"pier_registry_requests_under_way {self.under_way}"
        yield from _head("requests_total", "counter", "Requests that were answered.")
        for (endpoint, method, status), count in sorted(self._requests.items()):
            labels = f'endpoint="{endpoint}",method="{method}",status="{status}"'
            yield f"pier_registry_requests_total{{{labels}}} {count}"
        yield from self._histogram()
        yield from _by_endpoint("received_bytes_total", "Bytes of bodies that clients sent.", self._received)
        yield from _by_endpoint("sent_bytes_total", "Bytes of bodies that were sent to clients.", self._sent)
        for kind, values in (("counter", self.counters), ("gauge", self.gauges)):
            told = ""
            for name, value in sorted(values.items()):
                family = name.partition("{")[0]
                if family != told:
                    yield from _head(family, kind, family.replace("_", " ").capitalize() + ".")
                told = family
                yield f"pier_registry_{name} {value:.17g}"

    def _histogram(self) -> Iterable[str]:
        yield from _head("request_seconds", "histogram", "How long answers took, bodies included.")
        for endpoint, counts in sorted(self._times.items()):
            total = 0
            for limit, count in zip((*map(str, _BUCKETS), "+Inf"), counts, strict=True):
                total += count
                yield f'pier_registry_request_seconds_bucket{{endpoint="{endpoint}",le="{limit}"}} {total}'
            yield f'pier_registry_request_seconds_sum{{endpoint="{endpoint}"}} {self._seconds[endpoint]:.6f}'
            yield f'pier_registry_request_seconds_count{{endpoint="{endpoint}"}} {total}'


def _head(name: str, kind: str, help: str) -> Iterable[str]:
    yield f"# HELP pier_registry_{name} {help}"
    yield f"# TYPE pier_registry_{name} {kind}"


def _by_endpoint(name: str, help: str, values: dict[str, int]) -> Iterable[str]:
    yield from _head(name, "counter", help)
    for endpoint, value in sorted(values.items()):
        yield f'pier_registry_{name}{{endpoint="{endpoint}"}} {value}'
