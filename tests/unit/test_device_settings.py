"""What device.yaml may say."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, load
from device.settings import DeviceSettings, Timing, default_device_name, problems

AIR = "sensors:\n  air:\n    driver: synthetic:sine\n"


@pytest.fixture
def read(tmp_path):
    """Load a text as device.yaml."""

    def read_text(text):
        file = tmp_path / "device.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file, DeviceSettings, problems)

    return read_text


def test_everything_but_sensors_may_be_left_out(read):
    """The defaults, in the units the code uses."""
    settings = read(AIR)
    assert settings.name is None
    assert settings.collector.address is None
    assert settings.collector.transport == "tcp"
    spool = settings.spool
    assert (spool.policy, spool.at_risk_s, spool.max_bytes) == ("frugal", 10, 256 * 2**20)
    assert settings.commands.allow == ("ping", "identify", "read_now")
    assert settings.commands.outputs == {}
    assert settings.logs.level == "info"
    assert settings.sensors["air"].channels is None
    assert settings.sensor_timing("air") == Timing(interval_s=10, timeout_s=2)


def test_everything_can_be_said(read):
    """Every key of the file, in the units people write."""
    settings = read(
        "name: greenhouse\nlabel: 온실, north\ncollector: {address: '[::1]:9', transport: udp}\n"
        "defaults: {interval: 500ms, timeout: 1m}\nsensors:\n  air:\n    driver: synthetic:sine\n"
        "    options: {period: 5}\n    interval: 1d\n    timeout: 10ms\n    label: Air\n"
        "    channels: {value: {label: It}}\n  soil: {driver: synthetic:walk}\n"
        "spool: {policy: strict, at_risk: 1m, max_size: 1MiB}\n"
        "commands:\n  allow: [set_interval]\n"
        "  outputs: {fan: {driver: 'gpiozero:OutputDevice', options: {pin: 24}}}\n"
        "logs: {level: debug, format: json}\n"
    )
    assert settings.name == "greenhouse"
    assert settings.collector.address == "[::1]:9"
    assert settings.sensors["air"].options == {"period": 5}
    assert settings.sensors["air"].channels["value"].label == "It"
    assert settings.sensor_timing("air") == (86400, 0.01)
    assert settings.sensor_timing("soil") == (0.5, 60)
    assert settings.collector.transport == "udp"
    spool = settings.spool
    assert (spool.policy, spool.at_risk_s, spool.max_bytes) == ("strict", 60, 2**20)
    assert settings.commands.allow == ("set_interval",)
    assert settings.commands.outputs["fan"].options == {"pin": 24}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name: Green\n", ":4:7: name: `Green` is not accepted here. Accepted: small letters"),
        ("name: -a\n", ":4:7: name: `-a` is not accepted"),
        ("name: " + "a" * 64 + "\n", "at most 63 characters"),
        ("label: " + "a" * 201 + "\n", "one line of 1 to 200 characters"),
        ("label: ''\n", "one line of 1 to 200 characters"),
        ("defaults: {interval: 150ms}\n", "Accepted: 100ms to 1d in steps of 100ms"),
        ("defaults: {interval: 50ms}\n", "Accepted: 100ms to 1d"),
        ("defaults: {interval: 2d}\n", "Accepted: 100ms to 1d"),
        ("defaults: {timeout: 5ms}\n", "Accepted: 10ms to 1h"),
        ("defaults: {timeout: 2h}\n", "Accepted: 10ms to 1h"),
        ("spool: {max_size: 1023KiB}\n", "Accepted: 1MiB to 64GiB"),
        ("spool: {max_size: 65GiB}\n", "Accepted: 1MiB to 64GiB"),
        ("spool: {at_risk: 900ms}\n", ":4:18: spool.at_risk: 900ms is not accepted"),
        ("spool: {at_risk: 2h}\n", "Accepted: 1s to 1h"),
        ("spool: {policy: frugl}\n", "Did you mean `frugal`?"),
        ("collector: {transport: quic}\n", "Accepted: tcp, udp"),
        ("commands: {allow: [ping, red_now]}\n", ":4:26: commands.allow.2: `red_now` is not"),
        ("commands: {allow: [ping, red_now]}\n", "Did you mean `read_now`? Accepted: identify"),
        ("commands: {allow: [ping, ping]}\n", ":4:26: commands.allow.2: `ping` stands in this"),
        ("commands: {outputs: {Fan: {driver: 'gpiozero:LED', options: {pin: 1}}}}\n", "`Fan` is"),
        ("commands: {outputs: {fan: {options: {pin: 1}}}}\n", "outputs.fan.driver: this key is m"),
        ("commands: {outputs: {fan: {driver: 'gpiozero:Buzer'}}}\n", "Did you mean `Buzzer`? A"),
        ("commands: {outputs: {fan: {driver: 'gpiozero:LED'}}}\n", "needs the option `pin`"),
        (
            "commands: {outputs: {fan: {driver: 'gpiozero:LED', options: {pni: 1, pin: 1}}}}\n",
            ":4:62: commands.outputs.fan.options.pni: ",
        ),
        ("logs: {level: warn}\n", "Did you mean `warning`?"),
        ("collector: {address: 192.168.1:8888}\n", ":4:22: collector.address: `192.168.1:8888` is"),
        ("collector: {address: 'my hub'}\n", "Accepted: host:port, such as"),
        ("collector: {address: 127.0.0.1:0}\n", "port 0 does not exist"),
        (
            "  agent: {driver: host}\n",
            ":4:11: sensors.agent.driver: the sensor `agent` is the agent's own health",
        ),
        ("  Soil: {driver: host}\n", ":4:3: sensors.Soil: `Soil` is not accepted"),
        ("  soil: {driver: hosst}\n", ":4:10: sensors.soil.driver: unknown driver `hosst`"),
        ("  soil: {options: {a: 1}}\n", ":4:3: sensors.soil.driver: this key is missing"),
        (
            "  soil: {driver: synthetic:sine, options: {perod: 1}}\n",
            ":4:44: sensors.soil.options.p",
        ),
        ("  door: {driver: gpiozero:Button}\n", ":4:10: sensors.door.driver: "),
        ("  soil: {driver: host, channels: {A: }}\n", "sensors.soil.channels.A: `A` is not"),
    ],
)
def test_what_is_wrong_is_told(read, text, part):
    """Limits, names, addresses, drivers and their options; one problem each."""
    with pytest.raises(ConfigError) as caught:
        read(AIR + text)
    assert part in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("address", ["192.168.1.20", "hub.local:9", "'[2001:db8::1]:8888'"])
def test_collector_may_be_any_machine(read, address):
    """Who may come in is for keys to say, not for addresses."""
    assert read(AIR + f"collector: {{address: {address}}}\n").collector.address


def test_name_is_that_of_the_join(tmp_path):
    """Another one is an error with its place, and with what to do; left out, or the same, is right."""
    file = tmp_path / "device.yaml"
    check = partial(problems, joined_as="greenhouse")
    for text in (AIR, AIR + "name: greenhouse\n"):
        file.write_text(text)
        load(file, DeviceSettings, check)
    file.write_text(AIR + "label: Shed\nname: shed\n")
    with pytest.raises(ConfigError) as caught:
        load(file, DeviceSettings, check)
    assert f"{file}:5:1: name: `shed` is not the name that this device joined as" in str(
        caught.value
    )
    assert "`greenhouse`: leave `name` out, or join again as shed" in str(caught.value)


@pytest.mark.parametrize("text", ["", "sensors:\n", "sensors: {}\n", "sensors: []\n", "name: a\n"])
def test_a_device_without_sensors_is_an_error(read, text):
    """It would run and send nothing."""
    with pytest.raises(ConfigError):
        read(text)


@pytest.mark.parametrize(
    ("host_name", "name"),
    [
        ("greenhouse", "greenhouse"),
        ("RaspberryPi", "raspberrypi"),
        ("pi.local", "pi-local"),
        ("my_pi", "my-pi"),
        ("-pi", "pi"),
        ("", "device"),
        ("...", "device"),
        ("온실", "device"),
        ("a" * 70, "a" * 63),
    ],
)
def test_a_host_name_becomes_a_device_name(host_name, name):
    """Lower case, `-` for the rest, cut to what a name may be."""
    assert default_device_name(host_name) == name


@given(st.text())
def test_any_host_name_becomes_a_device_name(host_name):
    """Whatever the host is called, the result is accepted as `name:`."""
    name = default_device_name(host_name)
    assert 1 <= len(name) <= 63
    assert name[0] != "-"
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
