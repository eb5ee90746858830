import pytest

from soda_service.results.columns import output_names


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ([], []),
        (["z", "name"], ["z", "name"]),
        (["STATUS"], ["user_STATUS"]),
        (["STATUS", "status"], ["user_STATUS", "user_status_2"]),
        (["STATUS", "user_status"], ["user_STATUS_2", "user_status"]),
        (["z", "Z"], ["z", "user_Z"]),
        (["url", "TileName", "files"], ["user_url", "user_TileName", "user_files"]),
        (["FITS_COLORS"], ["FITS_COLORS"]),
        (["fits_colors"], ["user_fits_colors"]),
        (["fits_colors", "FITS_COLORS"], ["user_fits_colors", "FITS_COLORS"]),
        (["a\x01b", "a b"], ["a b", "user_a b"]),
        (["straße", "STRASSE"], ["straße", "user_STRASSE"]),
    ],
    ids=str,
)
def test_the_users_columns_have_names_of_their_own(columns: list[str], names: list[str]) -> None:
    assert list(output_names(columns).items()) == list(zip(columns, names, strict=True))
