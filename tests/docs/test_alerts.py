"""docs/alerts.md: its YAML is good, its rules say what the page says, and its tables name all there is."""

from pathlib import Path
from typing import get_args

import pytest

from collector.alert_settings import (
    AlertSettings,
    NotifierSettings,
    QuietHours,
    RuleSettings,
    SilenceSettings,
)
from collector.alerts.lives import AGAIN_WITHIN_S, FIRST_CALM_S, LONGEST_CALM_S, State
from collector.alerts.notifiers import MAX_ADDRESSES
from collector.alerts.outbox import (
    FIRST_RETRY_S,
    GIVE_UP_AFTER_NS,
    LONGEST_RETRY_S,
    NotifierStatus,
)
from collector.alerts.report import Figures
from collector.alerts.silence import COME_BACK_S
from collector.alerts.stored import GONE_AFTER_NS
from collector.alerts.words import facts_of
from collector.settings import CollectorSettings, check
from collector.times import zone_of
from collector.web.metrics import of_alerts
from config import load
from kit.alerts import alert
from kit.documents import ROOT, examples, rows, section

PAGE = (ROOT / "docs" / "alerts.md").read_text()
BLOCKS = examples(PAGE, "yaml")


def alerts_of(folder: Path, text: str) -> AlertSettings:
    """What an example sets, as the file that it is of."""
    file = folder / "collector.yaml"
    file.write_text(text)
    return load(file, CollectorSettings, check).alerts


@pytest.mark.parametrize("text", BLOCKS)
def test_each_example_is_good(tmp_path: Path, text: str) -> None:
    """As it stands."""
    assert alerts_of(tmp_path, text) != AlertSettings() or "after_intervals" in text


def test_examples_use_every_key(tmp_path: Path) -> None:
    """Nothing that can be set is left for people to find out."""
    text = "\n".join(BLOCKS) + PAGE
    for struct in (SilenceSettings, RuleSettings, NotifierSettings, QuietHours, AlertSettings):
        for key in struct.__struct_encode_fields__:
            assert f"{key}:" in text, f"{struct.__name__}.{key}"


def test_what_is_the_default_is_said_so(tmp_path: Path) -> None:
    """The first example of silence changes nothing but the exceptions."""
    (text,) = examples(section(PAGE, "Silence"), "yaml")
    told = alerts_of(tmp_path, text).silence
    plain = SilenceSettings()
    assert (told.after_intervals, told.at_least_s, told.after_stop_s) == (
        plain.after_intervals, plain.at_least_s, plain.after_stop_s,
    )  # fmt: skip


def test_states_are_those_there_are() -> None:
    """In the order of a life."""
    listed = [row[0].strip("`") for row in rows(section(PAGE, "The life of an alert"))]
    assert listed == list(get_args(State))


def test_numbers_are_those_of_the_code() -> None:
    """Where the page says how long."""
    assert (FIRST_RETRY_S, LONGEST_RETRY_S, GIVE_UP_AFTER_NS) == (10, 900, 3 * 86_400 * 10**9)
    assert (GONE_AFTER_NS, MAX_ADDRESSES) == (7 * 86_400 * 10**9, 16)
    assert (COME_BACK_S, FIRST_CALM_S, LONGEST_CALM_S, AGAIN_WITHIN_S) == (90, 60, 3600, 3600)


def test_metrics_are_those_there_are() -> None:
    """In the document of HTTP: each name with its labels."""
    figures = Figures({"pending": 1}, [NotifierStatus("phone", 1, "")])
    made = {
        f"telegauge_{metric.name}{{{','.join(sample.labels)}}}"
        for metric in of_alerts(figures)
        for sample in metric.samples
    }
    page = (ROOT / "docs" / "http.md").read_text()
    assert {row[0].strip("`") for row in rows(section(page, "Metrics"))} == made


def test_variables_of_commands_are_those_there_are() -> None:
    """Each that is named is set."""
    names = {f"TELEGAUGE_{key.upper()}" for key in facts_of(alert(), zone_of("UTC"))}
    for name in ("STATE", "RULE", "SERIES", "DEVICE", "VALUE", "WORDS"):
        assert f"`TELEGAUGE_{name}`" in PAGE
        assert f"TELEGAUGE_{name}" in names
