"""Which configuration is this, exactly?

A revision is the configuration as bytes, and its name the first twelve hex
digits of their SHA-256: two processes that name the same revision serve under
the same values.  Each access log line carries the name.
"""

import hashlib

import msgpack
import msgspec

from edge.common.config import Config
from edge.common.errors import ConfigError

NAME_DIGITS = 12


def encode(config: Config) -> bytes:
    """`config` as msgpack, the same bytes for the same values."""
    data: bytes = msgpack.packb(msgspec.to_builtins(config))
    return data


def decode(data: bytes) -> Config:
    """The configuration in `data`.  Raises `ConfigError` if it is none."""
    try:
        return msgspec.convert(msgpack.unpackb(data), Config)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, msgspec.ValidationError) as error:
        raise ConfigError([f"not a configuration: {error}"]) from error


def name(data: bytes) -> str:
    """The name of the revision whose bytes are `data`."""
    return hashlib.sha256(data).hexdigest()[:NAME_DIGITS]
