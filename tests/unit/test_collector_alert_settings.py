"""collector.alert_settings: what may stand below `alerts:`, and what of it does not fit together."""

from pathlib import Path

import pytest

from collector.alert_settings import AlertSettings
from collector.settings import CollectorSettings, check
from config import ConfigError, load


def loaded(folder: Path, text: str) -> AlertSettings:
    """The settings of some YAML below `alerts:`."""
    file = folder / "collector.yaml"
    file.write_text("alerts:\n" + "".join(f"  {line}\n" for line in text.strip().splitlines()))
    return load(file, CollectorSettings, check).alerts


GOOD = """
silence: {after_intervals: 3, at_least: 5m, after_stop: never, except: ['workshop/*'], urgent: true}
quiet_hours: {from: 22:30, to: '07:00'}
rules:
  too_cold: {series: '*/air.temperature', below: 4, clear: 5, for: 10m, notify: [phone]}
  leak: {series: 'tank/level', falls: 5, within: 10m, notify: [], urgent: true}
  failing: {series: '*', quality: bad, for: 30m}
notify:
  phone: {address_file: /etc/telegauge/notify-phone}
  mail: {credential: notify-mail, resolved: false}
  siren: {command: [/usr/local/bin/siren, 'on']}
"""


def test_all_there_is(tmp_path: Path) -> None:
    """Read as it is meant; times of day also without quotes, which YAML 1.1 takes for a number."""
    alerts = loaded(tmp_path, GOOD)
    assert alerts.quiet_hours is not None
    assert (alerts.quiet_hours.from_min, alerts.quiet_hours.to_min) == (1350, 420)
    assert alerts.silence.after_stop_s == float("inf")
    assert alerts.told_of("too_cold") == ("phone",)
    assert alerts.told_of("leak") == ()
    assert alerts.told_of("failing") == alerts.told_of("silence") == ("phone", "mail", "siren")
    assert [alerts.is_urgent(name) for name in ("leak", "failing", "silence")] == [
        True,
        False,
        True,
    ]


def test_silence_is_on_by_default() -> None:
    """For every series; nobody is told, since nobody was named."""
    alerts = AlertSettings()
    assert alerts.silence.without == ()
    assert (alerts.silence.after_intervals, alerts.silence.at_least_s) == (5.0, 120.0)
    assert alerts.told_of("silence") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: {a: {series: '*'}}", "wanted: a limit"),
        ("rules: {a: {series: '*', above: 1, quality: bad}}", "a rule has one of these"),
        ("rules: {a: {series: '*', rises: 1, falls: 1, within: 1m}}", "a rule has one of these"),
        ("rules: {a: {series: '*', rises: 1}}", "in what time? Add `within`"),
        ("rules: {a: {series: '*', above: 1, within: 1m}}", "how long something lasts is `for`"),
        ("rules: {a: {series: '*', above: 1, below: 2}}", "all would be alerts"),
        ("rules: {a: {series: '*', above: 1, clear: 2}}", "it would be over as it begins"),
        ("rules: {a: {series: '*', below: 1, clear: 0}}", "it would be over as it begins"),
        ("rules: {a: {series: '*', quality: bad, clear: 0}}", "it belongs to one limit"),
        ("rules: {a: {series: '*', above: 2, below: 1, clear: 1}}", "make two rules of this one"),
        ("rules: {silence: {series: '*', above: 2}}", "reserved for the program itself"),
        ("rules: {a: {series: '*', above: 1, notify: [fone]}}", "no `fone` stands below"),
        ("silence: {notify: [fone]}", "none yet"),
        ("quiet_hours: {from: '22:00', to: '22:00'}", "they end when they begin"),
        ("quiet_hours: {from: '24:00', to: '7:00'}", "a time of day, such as 22:30"),
        ("notify: {a: {}}", "one of address_file, credential and command"),
        ("notify: {a: {credential: x, command: [y]}}", "one of address_file, credential"),
        ("silence: {after_stop: soon}", "is not a duration"),
    ],
)  # fmt: skip
def test_what_does_not_fit(tmp_path: Path, text: str, said: str) -> None:
    """It says what is accepted."""
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert said in str(error.value)
