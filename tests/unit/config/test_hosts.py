import pytest

from soda_service.config.hosts import is_loopback, is_named, name_of


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("sky.example:8000", "sky.example"),
        ("Sky.Example.", "sky.example"),
        ("[::1]:8000", "::1"),
        ("a@sky.example", "sky.example"),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert name_of(host) == name


def test_a_dot_before_a_name_stands_for_all_below_it() -> None:
    known = ["web", ".example.org"]
    assert is_named("web", known)
    assert is_named("a.b.example.org", known)
    assert not is_named("example.org", known)
    assert not is_named("badexample.org", known)
    assert not is_named("a.web", known)
