"""The files for Prometheus: valid, and about metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # schemathesis brings it; its types are not

CONFIG = Path(__file__).parents[2] / "config"


def load(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text())


def rules() -> list[dict[str, Any]]:
    (group,) = load("alerts.yml")["groups"]
    return list(group["rules"])


def test_the_scrape_file_names_the_default_address_and_the_alerts() -> None:
    scrape = load("prometheus.yml")
    (job,) = scrape["scrape_configs"]
    assert job["job_name"] == "gchat"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8889"]}]
    for file in scrape["rule_files"]:
        assert (CONFIG / file).is_file()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def test_what_must_be_watched_is() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    assert 'up{job="gchat"}' in expressions["GchatDown"]
    for metric in ("hub_lag_seconds", "slow_readers", "commit_failures_total", "descriptors_open"):
        assert any(f"gchat_{metric}" in expression for expression in expressions.values()), metric
