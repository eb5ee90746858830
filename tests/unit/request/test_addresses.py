import pytest

from soda_service.request.addresses import is_mail_address


@pytest.mark.parametrize(
    "text",
    ["a.@example.org", ".a@example.org", "a..b@example.org", "a@-x.example", "a@x-.example",
     f"{'a' * 65}@example.org", f"a@{'b' * 64}.example", f"a@{'b.' * 130}example"],
)  # fmt: skip
def test_a_mail_address_is_one_by_the_standard(text: str) -> None:
    """service F19: what no mail server takes is refused with the job (wtforms 172)."""
    assert not is_mail_address(text)


@pytest.mark.parametrize("text", ["a.b@example.org", f"{'a' * 64}@{'b' * 63}.example", "a'b@x.org"])
def test_each_mail_address_of_the_standard_is_taken(text: str) -> None:
    assert is_mail_address(text)
