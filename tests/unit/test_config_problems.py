"""How problems are shown."""

from config.problems import ConfigError, Position, Problem, did_you_mean, shown


def test_a_report_names_the_place_and_points_at_it():
    """FILE:LINE:COL: key: message, the line, a caret, and the number of problems at the end."""
    problem = Problem("no such key", ("sensors", "air", "intervall"), Position(2, 3))
    report = str(ConfigError("device.yaml", [problem], ["a:", "  intervall: 5s"]))
    assert report == (
        "device.yaml:2:3: sensors.air.intervall: no such key\n"
        "    intervall: 5s\n"
        "    ^\n"
        "1 problem in device.yaml"
    )


def test_problems_stand_in_the_order_of_the_file():
    """Whoever found them first does not matter."""
    places = [Position(2, 1), Position(1, 9), Position(1, 3)]
    error = ConfigError("f", [Problem(str(place), (), place) for place in places], ["x"] * 2)
    assert [problem.position for problem in error.problems] == sorted(places)
    assert str(error).endswith("3 problems in f")


def test_a_problem_of_the_whole_file_has_no_place():
    """A missing file has no line to show."""
    error = ConfigError("f", [Problem("no such file")])
    assert str(error) == "f: no such file\n1 problem in f"


def test_the_caret_heeds_wide_and_combining_characters():
    """Korean takes two columns a character, a combining accent none."""
    for source, column, blanks in [("온도: x", 5, 6), ("e\u0301: x", 5, 3)]:
        report = str(ConfigError("f", [Problem("m", (), Position(1, column))], [source]))
        assert report.split("\n")[2] == "  " + " " * blanks + "^"


def test_a_long_line_is_cut_around_the_place():
    """A megabyte in one line does not fill the terminal, and the caret still fits."""
    source = "a" * 5000 + "X" + "b" * 5000
    head, line, caret, _count = str(
        ConfigError("f", [Problem("m", (), Position(1, 5001))], [source])
    ).split("\n")
    assert len(line) < 120
    assert line[caret.index("^")] == "X"
    assert head == "f:1:5001: m"


def test_terminal_control_never_reaches_the_terminal():
    """Escape sequences in keys and lines are shown as a replacement character."""
    error = ConfigError("f", [Problem("m", ("\x1b[2J",), Position(1, 1))], ["\x1b[2J"])
    assert "\x1b" not in str(error)


def test_a_place_past_the_last_line_is_shown_without_a_line():
    """PyYAML may stop at the end of the text, where there is no line."""
    assert str(ConfigError("f", [Problem("m", (), Position(9, 1))], ["x"])).startswith(
        "f:9:1: m\n1"
    )


def test_did_you_mean_names_only_what_is_near():
    """A guess that is far off would mislead."""
    assert did_you_mean("intervall", ["interval", "label"]) == " Did you mean `interval`?"
    assert did_you_mean("zzz", ["interval", "label"]) == ""


def test_shown_text_is_short_and_of_one_line():
    """What a user wrote may be anything; a message stays a line."""
    assert shown("a\nb") == "a\ufffdb"
    assert len(shown("x" * 1000)) == 60


def test_a_report_stays_readable():
    """Fifty problems are enough for one evening; the last line counts all."""
    report = str(ConfigError("f", [Problem("m", (), Position(1, 1))] * 51, ["x"]))
    assert report.count("f:1:1: m") == 50
    assert report.endswith("51 problems in f, the first 50 are shown")


def test_problems_one_line_each():
    """For a log: where, which key, what; the number only where not all are shown."""
    two = [Problem("no such key", ("a", "b"), Position(2, 3)), Problem("no such file")]
    assert ConfigError("f", two).lines == ["f: no such file", "f:2:3: a.b: no such key"]
    many = ConfigError("f", [Problem("m", (), Position(line, 1)) for line in range(1, 1000)])
    assert len(many.lines) == 51
    assert many.lines[-1] == "999 problems in f, the first 50 are shown"


def test_problems_in_short():
    """For one line of status: the first, and how many more there are."""
    assert ConfigError("f", [Problem("no such file")]).in_short == "f: no such file"
    three = [Problem("m", ("a",), Position(line, 1)) for line in (3, 1, 2)]
    assert ConfigError("f", three).in_short == "f:1:1: a: m (and 2 more)"
