"""The files for Prometheus, Grafana and Docker: valid, and about what there is."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # schemathesis brings it; its types are not
from prometheus_client.parser import text_string_to_metric_families

from gchat.server.app import STOP_S
from gchat.server.config import load as config_of
from gchat.server.settings import ROWS
from tests.e2e.harness import Server, wait_until
from tests.e2e.tools import need

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


def in_expressions(expressions: list[str]) -> set[str]:
    return {name for text in expressions for name in re.findall(r"\b(?:gchat|process)_\w+\b(?!\")", text)}


def panels() -> list[dict[str, Any]]:
    return list(json.loads((CONFIG / "grafana-dashboard.json").read_text())["panels"])


def test_every_metric_that_alerts_and_dashboard_ask_for_is_there() -> None:
    with Server("127.0.0.1", "--admin", "127.0.0.1:0") as server:
        wait_until(lambda: "admin page" in server.log, "the endpoint is there")
        page = re.findall(r"admin page: (http://\S+)", server.log)[0]
        answer = subprocess.run([need("curl"), "-sf", f"{page}metrics"], check=True, capture_output=True, text=True)
    families = list(text_string_to_metric_families(answer.stdout))
    told = {family.name for family in families} | {sample.name for family in families for sample in family.samples}
    told |= {f"{family.name}_bucket" for family in families if family.type == "histogram"}
    asked = in_expressions([rule["expr"] for rule in rules()])
    shown = in_expressions([target["expr"] for panel in panels() for target in panel["targets"]])
    assert len(asked) > 5
    assert asked | shown <= told
    assert asked <= shown  # an alert can be looked into


# Panels that named a source of the author's, or a variable that only an import sets, stayed empty in
# https://github.com/grafana/grafana/issues/10786 and https://github.com/projectsveltos/sveltos/issues/589.
def test_the_dashboard_asks_for_its_source_and_has_no_other() -> None:
    text = (CONFIG / "grafana-dashboard.json").read_text()
    dashboard = json.loads(text)
    assert set(sources(dashboard)) == {("prometheus", "${datasource}")}
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    assert "${DS_" not in text
    assert "id" not in dashboard
    assert {name for name in re.findall(r"\$\{?(\w+)", text) if not name.startswith("__")} == set(variables)


def sources(part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["type"], part["datasource"]["uid"]
        for value in part.values():
            yield from sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from sources(value)


def test_every_panel_says_what_it_shows_and_covers_no_other() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            assert '{instance=~"$instance"}' in target["expr"]
        place = panel["gridPos"]
        fields = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not fields & covered, panel["title"]
        assert max(x for x, _ in fields) < 24
        covered |= fields
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_containers_of_the_cluster_are_settings_and_files_that_there_are() -> None:
    compose = load("compose.yaml")
    gchat, proxy = compose["services"]["gchat"], compose["services"]["haproxy"]
    settings = {f"GCHAT_{section}_{key}".upper() for section, rows in ROWS.items() for key in rows}
    assert set(gchat["environment"]) <= settings
    config = config_of(None, {name: str(value) for name, value in gchat["environment"].items()}, {})
    assert config.cluster.url == "valkey://valkey:6379/0"
    (network,) = compose["networks"]["inside"]["ipam"]["config"]
    assert config.server.trusted_proxies == network["subnet"]
    assert float(gchat["stop_grace_period"].rstrip("s")) > config.server.drain_s + STOP_S
    assert gchat["deploy"]["replicas"] == 4
    assert proxy["ports"][0] == f"{config.server.port}:{config.server.port}"
    assert (CONFIG / proxy["volumes"][0].partition(":")[0]).exists()
    engine = " ".join(compose["services"]["valkey"]["command"])
    for option in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert option in engine
