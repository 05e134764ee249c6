"""The guard of the unit tests itself."""

import contextlib
import socket

import pytest


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET])
def test_a_socket_fails_the_test_even_where_errors_are_handled(family: int) -> None:
    with pytest.raises(pytest.fail.Exception, match="may not use the network"), contextlib.suppress(Exception):
        socket.socket(family, socket.SOCK_DGRAM)


def test_a_socket_without_arguments_fails_too() -> None:
    with pytest.raises(pytest.fail.Exception):
        socket.socket()


def test_a_connection_and_a_name_fail_too() -> None:
    with pytest.raises(pytest.fail.Exception):
        socket.create_connection(("127.0.0.1", 9))
    with pytest.raises(pytest.fail.Exception):
        socket.gethostbyname("localhost")


def test_a_unix_pair_is_allowed() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.send(b"x")
        assert right.recv(1) == b"x"
