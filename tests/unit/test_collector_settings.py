"""What collector.yaml may say."""

import pytest

from collector.settings import CollectorSettings, WebCertificate
from config import ConfigError, load


@pytest.fixture
def read(tmp_path):
    """Load a text as collector.yaml."""

    def read_text(text):
        file = tmp_path / "collector.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file, CollectorSettings)

    return read_text


def test_everything_may_be_left_out(read):
    """The defaults."""
    settings = read("logs:\n")
    assert settings == CollectorSettings()
    assert settings.devices.listen == "0.0.0.0:8888"
    assert settings.devices.plain_on_loopback
    assert settings.web.enabled
    assert settings.web.listen == "0.0.0.0:8889"
    assert settings.web.names == ()
    assert settings.web.certificate is None
    assert settings.time_zone == "system"
    assert settings.store.folder is None
    assert settings.store.min_free_bytes == 2**30


def test_everything_can_be_said(read):
    """Every key of the file."""
    settings = read(
        "devices: {listen: localhost:9, plain_on_loopback: false}\ntime_zone: Asia/Seoul\nstore: {folder: /srv/x, min_free: 300MiB}\n"
        "logs: {level: error}\n"
        "web: {enabled: false, listen: localhost:7, names: [a.example.org],"
        " certificate: {file: /etc/a.crt, key_file: /etc/a.key}}\n"
    )
    assert not settings.web.enabled
    assert settings.web.listen == "localhost:7"
    assert settings.web.names == ("a.example.org",)
    assert settings.web.certificate == WebCertificate(file="/etc/a.crt", key_file="/etc/a.key")
    assert settings.devices.listen == "localhost:9"
    assert not settings.devices.plain_on_loopback
    assert settings.time_zone == "Asia/Seoul"
    assert settings.store.folder == "/srv/x"
    assert settings.store.min_free_bytes == 300 * 2**20


@pytest.mark.parametrize(("text", "size_bytes"), [("1MiB", 2**20), ("1024GiB", 2**40)])
def test_the_floor_has_its_limits(read, text, size_bytes):
    """Both ends are accepted."""
    assert read(f"store: {{min_free: {text}}}").store.min_free_bytes == size_bytes


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("devices: {listen: 300.1.1.1}", ":1:19: devices.listen: `300.1.1.1` is not an address"),
        ("devices: {plain_on_loopback: no}", "devices.plain_on_loopback: "),
        ("devices: {plain: true}", "devices.plain: no such key"),
        (
            "time_zone: Asia/Soul",
            ":1:12: time_zone: no time zone `Asia/Soul`. Did you mean `Asia/Seo",
        ),
        ("time_zone: Asia", "Accepted: system, or a name such as Asia/Seoul"),
        ("time_zone: ../../etc/passwd", "no time zone"),
        ("time_zone: ''", "no time zone"),
        ("time_zone: off", "no time zone"),
        ("store: {folder: telegauge}", "Accepted: an absolute path, such as /srv/telegauge"),
        ("store: {foldr: /srv}", "Did you mean `folder`?"),
        ("store: {min_free: 1}", "1 of what? Write the unit too"),
        (
            "store: {min_free: 1023KiB}",
            "store.min_free: 1023KiB is not accepted here. Accepted: 1MiB",
        ),
        ("store: {min_free: 1025GiB}", "1025GiB is not accepted here. Accepted: 1MiB to 1024GiB"),
        ("sensors: {}", "no such key"),
        ("web: {listen: 300.1.1.1}", "web.listen: `300.1.1.1` is not an address"),
        ("web: {names: ['a b']}", "Accepted: a host name, such as pi.example.org"),
        ("web: {certificate: {file: web.crt, key_file: /k}}", "Accepted: an absolute path"),
        ("web: {certificate: {file: /web.crt}}", "key_file"),
    ],
)
def test_what_is_wrong_is_told(read, text, part):
    """Addresses that cannot be, time zones and folders nobody can find, a floor of nothing."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert part in str(caught.value)
    assert len(caught.value.problems) == 1
