"""Figures as Prometheus reads them."""

from pier.registry.http.metrics import Metrics


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.text().splitlines() if f"pier_registry_{name}" in line]


def test_large_figures_are_whole() -> None:
    """A counter that stands still while things happen looks like nothing happens."""
    metrics = Metrics()
    metrics.counters["things_total"] = 1_234_567
    metrics.gauges["bytes"] = 50_000_000_001
    metrics.gauges["share"] = 0.5
    assert lines(metrics, "things_total")[-1] == "pier_registry_things_total 1234567"
    assert lines(metrics, "bytes")[-1] == "pier_registry_bytes 50000000001"
    assert lines(metrics, "share")[-1] == "pier_registry_share 0.5"


def test_figures_with_labels_have_one_head() -> None:
    metrics = Metrics()
    for name in ("ghcr", "hub"):
        metrics.gauges[f'upstream_out{{upstream="{name}"}}'] = name == "hub"
    assert lines(metrics, "upstream_out") == [
        "# HELP pier_registry_upstream_out Upstream out.",
        "# TYPE pier_registry_upstream_out gauge",
        'pier_registry_upstream_out{upstream="ghcr"} 0',
        'pier_registry_upstream_out{upstream="hub"} 1',
    ]
