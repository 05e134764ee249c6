"""A probe and the datagram that carries it, there (`encoders`) and back (`usual`, `decoders`, `answers`)."""

from pathwarden.wire.answers import decode_answer4, decode_answer6, decode_dccp, decode_tcp
from pathwarden.wire.decoders import decode_icmp_dgram, decode_udp_payload
from pathwarden.wire.encoders import (
    NUMBERS,
    TEXT,
    Encoder,
    default_size,
    dgram_encoder,
    encoder,
    first_stop,
    max_size,
    min_size,
    most_gateways,
)
from pathwarden.wire.fragments import fragments
from pathwarden.wire.usual import decode4, decode6

__all__ = [
    "NUMBERS",
    "TEXT",
    "Encoder",
    "decode4",
    "decode6",
    "decode_answer4",
    "decode_answer6",
    "decode_dccp",
    "decode_icmp_dgram",
    "decode_tcp",
    "decode_udp_payload",
    "default_size",
    "dgram_encoder",
    "encoder",
    "first_stop",
    "fragments",
    "max_size",
    "min_size",
    "most_gateways",
]
