"""What Prometheus is told: names, types, help and numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.admin.endpoint import Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def samples(endpoint: Endpoint) -> list[Sample]:
    text = endpoint.ask_get("/metrics").body.decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(endpoint: Endpoint, name: str, **labels: str) -> float:
    (found,) = (sample.value for sample in samples(endpoint) if (sample.name, sample.labels) == (name, labels))
    return float(found)


def test_every_metric_has_a_help_line_a_type_and_a_conventional_name(endpoint: Endpoint) -> None:
    families = list(text_string_to_metric_families(endpoint.ask_get("/metrics").body.decode()))
    assert len(families) >= 10
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert family.name.startswith(("gchat_", "process_"))
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        assert not any(unit in family.name for unit in ("_ms", "_kb", "_minutes"))


def test_the_numbers_are_the_backend_s_at_the_time_of_the_scrape(endpoint: Endpoint) -> None:
    assert value(endpoint, "gchat_users_online") == 3
    endpoint.backend.joins("dave")
    endpoint.backend.leaves(1)
    endpoint.backend.leaves(2, "reset")
    endpoint.backend.says("dave", "hello")
    assert value(endpoint, "gchat_users_online") == 2
    assert value(endpoint, "gchat_connections_opened_total") == 4
    assert value(endpoint, "gchat_connections_closed_total", reason="quit") == 1
    assert value(endpoint, "gchat_connections_closed_total", reason="reset") == 1
    assert value(endpoint, "gchat_connections_closed_total", reason="kicked") == 0
    assert value(endpoint, "gchat_messages_total") == 1
    assert value(endpoint, "gchat_build_info", version="0.1.0") == 1


def test_histograms_are_cumulative(endpoint: Endpoint) -> None:
    buckets = [sample for sample in samples(endpoint) if sample.name == "gchat_fan_out_seconds_bucket"]
    assert [(bucket.labels["le"], bucket.value) for bucket in buckets] == [
        ("0.0001", 10),
        ("0.001", 30),
        ("0.01", 33),
        ("0.1", 34),
        ("+Inf", 34),
    ]
    assert value(endpoint, "gchat_fan_out_seconds_count") == 34
    assert value(endpoint, "gchat_fan_out_seconds_sum") == 0.05


def test_the_process_is_this_one(endpoint: Endpoint) -> None:
    assert value(endpoint, "process_resident_memory_bytes") > 1_000_000
    assert value(endpoint, "process_cpu_seconds_total") == pytest.approx(sum(os.times()[:2]), abs=5)
    assert 0 < time.time() - value(endpoint, "process_start_time_seconds") < 86400


def test_a_scraper_that_prefers_openmetrics_gets_it(endpoint: Endpoint) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer = endpoint.ask_get("/metrics", accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")
    assert b"\n# TYPE gchat_messages counter\n" in answer.body
    assert endpoint.ask_get("/metrics").headers["content-type"].startswith("text/plain")


# In https://github.com/cnieg/gitlab-tokens-exporter/issues/221 a name with a quote made all of the scrape unreadable.
@pytest.mark.parametrize("reason", ['14" registry', "back\\slash\\n", "two\nlines", "}", '"} 1\nup{x="', "😀 é", ""])
@pytest.mark.parametrize(
    ("accept", "parse"),
    [("text/plain", text_string_to_metric_families), ("application/openmetrics-text; version=1.0.0", openmetrics)],
)
def test_whatever_a_label_says_the_scrape_is_readable(
    endpoint: Endpoint, reason: str, accept: str, parse: Callable[[str], Iterator[Metric]]
) -> None:
    endpoint.backend.closed[reason] = 3
    families = {family.name: family for family in parse(endpoint.ask_get("/metrics", accept).body.decode())}
    closed = {sample.labels["reason"]: sample.value for sample in families["gchat_connections_closed"].samples}
    assert closed == {"quit": 0, "reset": 0, "kicked": 0, reason: 3}
    assert families["gchat_users_online"].samples[0].value == 3
