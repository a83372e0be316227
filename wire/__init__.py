"""The contract both ends share: readings, batches, frames, and the conversation, without I/O."""

__version__ = "0.2.0.dev0"
