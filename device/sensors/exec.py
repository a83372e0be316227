"""Driver `exec`: a program that prints what it measured, and ends.

    driver: exec
    options: {command: [vcgencmd, measure_temp], pattern: "temp=(?P<temperature>[0-9.]+)"}

It is run for each read, without a shell, with no input, and with PATH and LANG=C.UTF-8 alone as its
environment (`command: [env, A=b, PROGRAM]` gives it more). `parse`, `pattern`: see `line`; JSON and a
pattern take the whole output, else each line is taken, so `a=1` and `b=2` on two lines are two
channels. An exit code other than 0 is a failed read, and the last line of its stderr says why.
Whatever it has started ends with it.
"""

import contextlib
import errno
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any

from config.problems import shown
from device.sensors import OptionProblem, Sample, SensorError, line
from device.sensors.found import FoundAdapter
from device.sensors.line import MAX_CHANNELS, LineError, Parser
from device.sensors.options import Option, check, completed

_OPTIONS = (
    Option("command", (list,), 1, 64, is_required=True),
    *line.OPTIONS,
)
_MAX_OUTPUT_BYTES = 64 * 1024  # also what a pipe holds, so that one read takes what is left in it
_STDERR_BYTES = 4096
# Nobody waits for a read as long as this; what still runs then is forgotten.
_LONGEST_S = 3600.0
_DIES_WITHIN_S = 1.0
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def problems(argument: str | None, options: Mapping[str, Any]) -> list[OptionProblem]:
    """Check without running anything what can be checked so."""
    found = check("exec", options, _OPTIONS) or line.problems(options)
    if argument is not None:
        found.append(OptionProblem(None, "write `exec` alone, and the program as `command`"))
    command = options.get("command")
    if isinstance(command, str):
        as_list = "[" + ", ".join(command.split()) + "]"
        told = f"no shell reads it: write a list, `command: {shown(as_list)}`"
        return [OptionProblem("command", told)]
    if command and isinstance(command[0], str) and not command[0].strip():
        found.append(OptionProblem("command", "`command` begins with the name of a program"))
    return found


def make(_argument: str | None, options: Mapping[str, Any]) -> "Program":
    """Build the adapter."""
    chosen = completed(options, _OPTIONS)
    return Program(chosen["command"], Parser(chosen["parse"], chosen["pattern"]))


class Program(FoundAdapter):
    """One command and the parser of its output. `close`, from another thread, ends it at once."""

    def __init__(self, command: list[str], parser: Parser) -> None:
        super().__init__(MAX_CHANNELS)
        self._command = command
        self._parser = parser
        self._path = ""
        self._is_wanted = False
        self._running: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()  # who kills must not do so behind the reaper

    def _start(self) -> None:
        search = os.environ.get("PATH", _USUAL_PATH)
        self._path = shutil.which(self._command[0], path=search) or ""
        if not self._path:
            raise SensorError(_missing(self._command[0], search))
        self._is_wanted = True

    def _take(self) -> list[Sample]:
        output = self._output()
        try:
            values = self._parser.output(output)
        except LineError as error:
            raise SensorError(f"{self._path} printed {error}") from None
        return [Sample(name, value, "") for name, value in values.items()]

    def _stop(self) -> None:
        self._is_wanted = False
        with self._turn:
            if self._running is not None:
                _kill(self._running.pid)

    def _output(self) -> bytes:
        process = self._begun()
        try:
            with _Pipes(process) as pipes:
                pipes.read(time.monotonic() + _LONGEST_S)
        finally:
            self._end(process)
        if not self._is_wanted:
            raise SensorError("not open: it was closed while the program ran")
        if pipes.trouble or process.returncode:
            raise SensorError(f"{self._path} {pipes.trouble or _ended(process, pipes.said)}")
        return bytes(pipes.output)

    def _begun(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(  # noqa: S603 - the YAML's owner says what runs
                self._command,
                executable=self._path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", _USUAL_PATH), "LANG": "C.UTF-8"},
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            hint = ". Does it begin with #!/bin/sh?" if error.errno == errno.ENOEXEC else ""
            raise SensorError(f"cannot run {self._path}: {error.strerror}{hint}") from error
        self._running = process
        if not self._is_wanted:  # closed before there was anything to kill
            self._stop()
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of it and its children, and let no zombie stay."""
        with self._turn:
            _kill(process.pid)  # while it is not reaped no other group can have this number
            with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel, or another user's
                process.wait(_DIES_WITHIN_S)
            self._running = None


class _Pipes:
    """What a program prints, read until it ends, whoever else holds the pipes open.

    `output`: what it printed. `trouble`: why no more is waited for, if it has not ended by itself.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None, "asked for at its start"
        assert process.stderr is not None, "asked for at its start"
        self.output = bytearray()
        self.trouble = ""
        self._errors = bytearray()
        self._process = process
        self._stdout, self._stderr = process.stdout, process.stderr

    def __enter__(self) -> "_Pipes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stdout.close()
        self._stderr.close()

    @property
    def said(self) -> str:
        """The last line of its stderr."""
        lines = bytes(self._errors).decode(errors="replace").strip().splitlines()
        return shown(lines[-1]) if lines else ""

    def read(self, until_s: float) -> None:
        """Read until the program has ended, printed too much, or it is too late."""
        pipes = (self._stdout.fileno(), self._stderr.fileno())
        with _pidfd(self._process.pid) as ended, selectors.DefaultSelector() as selector:
            for descriptor in (*pipes, ended):
                selector.register(descriptor, selectors.EVENT_READ)
            for descriptor in pipes:
                os.set_blocking(descriptor, False)
            while not self.trouble:
                ready = {key.fd for key, _ in selector.select(max(0.0, until_s - time.monotonic()))}
                if time.monotonic() >= until_s:
                    self.trouble = f"has not ended within {_LONGEST_S:g} s"
                if ended in ready:
                    ready.update(pipes)
                for descriptor in ready.intersection(pipes).intersection(selector.get_map()):
                    if not self._take(descriptor):
                        selector.unregister(descriptor)
                if ended in ready:
                    return

    def _take(self, descriptor: int) -> bool:
        """Take what is in a pipe; say whether more may come."""
        try:
            data = os.read(descriptor, _MAX_OUTPUT_BYTES)
        except BlockingIOError:
            return True
        if descriptor == self._stderr.fileno():
            self._errors = (self._errors + data)[-_STDERR_BYTES:]
            return bool(data)
        self.output += data
        if len(self.output) > _MAX_OUTPUT_BYTES:
            self.trouble = f"printed more than {_MAX_OUTPUT_BYTES // 1024} KiB"
        return bool(data)


@contextlib.contextmanager
def _pidfd(pid: int) -> Any:
    """Give a descriptor that is ready once the process has ended: pidfd_open(2)."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _ended(process: subprocess.Popen[bytes], said: str) -> str:
    code = process.returncode
    how = f"ended with exit code {code}" if code > 0 else f"was ended by {_signal_name(-code)}"
    return f"{how}: {said}" if said else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _missing(program: str, search: str) -> str:
    if "/" not in program:
        return (
            f"there is no program `{shown(program)}` in {search}: install it, or name it with its "
            "whole path"
        )
    if os.path.isfile(program):  # noqa: PTH113 - does not raise where a folder may not be entered
        return f"{program} may not be run: `chmod +x` it"
    home = " (the service sees no home folders)" if program.startswith(("/home/", "/root/")) else ""
    return f"there is no program {program}{home}: install it, or mend its path in `command`"
