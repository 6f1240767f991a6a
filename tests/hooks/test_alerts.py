"""Alerts: a line for each, and not too many; whole bodies are in test_bodies."""

from __future__ import annotations

from gchat.hooks.alerts import MAX_ALERTS, is_alerts, lines_of


# In https://github.com/metalmatze/alertmanager-bot/issues/111 160 alerts in one body made the bot useless.
def test_a_storm_of_alerts_is_counted() -> None:
    alerts = [{"status": "firing", "labels": {"alertname": f"A{n}"}} for n in range(160)]
    lines = lines_of({"alerts": alerts})
    assert len(lines) == MAX_ALERTS + 1
    assert lines[-1] == "and 148 more"
    assert lines_of({"alerts": alerts, "truncatedAlerts": 9_840})[-1] == "and 9,988 more"


def test_a_long_description_is_cut() -> None:
    alert = {"status": "firing", "labels": {"alertname": "A"}, "annotations": {"summary": "x" * 5000}}
    assert len(lines_of({"alerts": [alert]})[0]) < 300


def test_other_bodies_are_not_alerts() -> None:
    assert not is_alerts({"text": "x"})
    assert not is_alerts({"alerts": "x"})
    assert not is_alerts([])
    assert is_alerts({"alerts": []})
