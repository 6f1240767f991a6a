"""Bodies of alerts: Alertmanager (version 4), Grafana's contact points, and Grafana before version 9.

A line is an alert: FIRING: HighLatency (critical, web1:9100): p99 of requests is above 1 s. Firing ones come first.
"""

from __future__ import annotations

from typing import Any

from gchat.hooks.fitting import first_line, listed
from gchat.hooks.loose_json import at, count, objects, text

#: Alerts that are shown; the others are counted.
MAX_ALERTS = 12

_DETAILS = ("severity", "instance", "service", "job")
MAX_DETAILS = 2


def is_alerts(body: Any) -> bool:
    """Return whether a body is of Alertmanager or Grafana."""
    return isinstance(at(body, "alerts"), list) or _is_old_grafana(body)


def lines_of(body: Any) -> list[str]:
    """Return the lines to show; none if there are no alerts."""
    if _is_old_grafana(body):
        return _of_old_grafana(body)
    alerts = objects(body, "alerts")
    alerts.sort(key=lambda alert: text(alert, "status") == "resolved")
    left_out = at(body, "truncatedAlerts")
    more = count(body, "alerts") - len(alerts[:MAX_ALERTS]) + (left_out if isinstance(left_out, int) else 0)
    lines = listed([_line(alert) for alert in alerts[:MAX_ALERTS]], MAX_ALERTS, more)
    if len(alerts) == 1 and (link := text(alerts[0], "panelURL") or text(alerts[0], "dashboardURL")):
        lines.append(link)
    return lines


def _line(alert: dict[str, Any]) -> str:
    status = text(alert, "status").upper() or "ALERT"
    name = text(alert, "labels", "alertname") or "an alert without a name"
    details = [found for label in _DETAILS if (found := text(alert, "labels", label))]
    shown = f" ({', '.join(details[:MAX_DETAILS])})" if details else ""
    why = next(
        filter(None, (text(alert, "annotations", key) for key in ("summary", "description", "message", "title"))),
        text(alert, "valueString"),
    )
    return f"{status}: {name}{shown}{': ' if why else ''}{first_line(why)}"


def _is_old_grafana(body: Any) -> bool:
    return at(body, "alerts") is None and bool(text(body, "ruleName") or text(body, "ruleUrl"))


def _of_old_grafana(body: Any) -> list[str]:
    title = text(body, "title") or f"[{text(body, 'state')}] {text(body, 'ruleName')}"
    values = [f"{text(match, 'metric')}: {text(match, 'value')}" for match in objects(body, "evalMatches")]
    said = text(body, "message")
    return [f"{title}{': ' if said else ''}{said}", *listed(values, MAX_ALERTS), text(body, "ruleUrl")]
