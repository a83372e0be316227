"""collector.web.bodies: the body of a request, up to a bound; taken through the real door."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.web.changes import INVITATIONS, MAX_BODY_BYTES
from kit.webs import WebRig, web_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WebRig]:
    """A door, asked from this machine."""
    with web_rig(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 400), (MAX_BODY_BYTES + 1, 413)])
def test_long_bodies_are_refused(rig: WebRig, size: int, status: int) -> None:
    """What has just room is read, and is no JSON."""
    assert rig.client.post(INVITATIONS, "x" * size).status == status
