"""telegauge-collector seal: seal now what waits, and give free space back."""

import argparse

from collector.commands import PROGRAM, control_socket, settings_of, store_file

HELP = "seal all readings into compressed chunks now, and give free space back"
_WITHIN_S = 40.0  # for one answer; it goes on until it is done


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def run(options: argparse.Namespace) -> int:
    """Let the running collector do it, or do it in its place; print what became of the file."""
    from collector.store import seal_store, size_on_disk
    from service import control, folders

    path = store_file(settings_of(options))
    before_bytes = size_on_disk(path)
    try:
        while not control.ask_for(bool, control_socket(), "seal", _WITHIN_S):
            pass
    except control.NotRunning:
        with folders.owned(folders.state_folder(PROGRAM)):
            seal_store(path)
    print(f"{path}: {before_bytes} bytes before, {size_on_disk(path)} now")
    return 0
