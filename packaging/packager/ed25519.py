"""Ed25519 signatures (RFC 8032, section 5.1) for the feed's index; slow and not hardened against listeners beside the machine."""

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

# Extended homogeneous coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z.
_Point = tuple[int, int, int, int]


def public_key(seed: bytes) -> bytes:
    """The 32 bytes of the public key of a 32-byte seed."""
    scalar, _ = _expand(seed)
    return _encode(_multiply(scalar, _BASE))


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64 bytes of the signature (section 5.1.6)."""
    scalar, prefix = _expand(seed)
    public = _encode(_multiply(scalar, _BASE))
    nonce = _hash(prefix + message) % _ORDER
    point = _encode(_multiply(nonce, _BASE))
    answer = (nonce + _hash(point + public + message) * scalar) % _ORDER
    return point + answer.to_bytes(32, "little")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of the message is that of the key (section 5.1.7)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point = _decode(public), _decode(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if key is None or point is None or answer >= _ORDER:
        return False
    challenge = _hash(signature[:32] + public + message) % _ORDER
    return _equal(_multiply(answer, _BASE), _add(point, _multiply(challenge, key)))


def _expand(seed: bytes) -> tuple[int, bytes]:
    """The secret scalar and the prefix (section 5.1.5)."""
    if len(seed) != 32:
        raise ValueError("an Ed25519 seed has 32 bytes")
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(factor: int, point: _Point) -> _Point:
    product: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            product = _add(product, point)
        point = _add(point, point)
        factor >>= 1
    return product


def _equal(one: _Point, other: _Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


def _encode(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes) -> _Point | None:
    """The point of 32 bytes (section 5.1.3); None if they are not one."""
    number = int.from_bytes(data, "little")
    sign_bit, y = number >> 255, number & ((1 << 255) - 1)
    x = _recover_x(y, sign_bit) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _recover_x(y: int, sign_bit: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign_bit):
        return None
    return _P - x if x & 1 != sign_bit else x


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _recover_x(y, 0)
    assert x is not None  # noqa: S101 - a fact of the curve
    return x, y, 1, x * y % _P


_BASE = _base()
