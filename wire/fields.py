"""What a field of a body may be. Numbers and texts are bounded, so that whoever takes one may
compute with it, store it and show it.
"""

from typing import Annotated

from msgspec import Meta

# Words for people are no longer than this, in characters.
MAX_TEXT = 200

Epoch = Annotated[bytes, Meta(min_length=16, max_length=16)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Seq = Annotated[int, Meta(ge=1, le=2**63 - 1)]
# Within these bounds no sum of two times and a difference of clocks leaves 64 bits: 73 years of
# uptime, and a wall clock up to the year 2116.
BootNs = Annotated[int, Meta(gt=-(2**61), lt=2**61)]
WallNs = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Name = Annotated[str, Meta(max_length=64)]
Unit = Annotated[str, Meta(max_length=16)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
# A random number used once, a key, a proof: 32 bytes each.
Secret = Annotated[bytes, Meta(min_length=32, max_length=32)]
Version = Annotated[int, Meta(ge=0, le=255)]
