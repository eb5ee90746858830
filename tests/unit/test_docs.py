import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_table_of_parameters_is_that_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("render", DOCS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    text = (DOCS / "api.md").read_text()
    assert render.rendered(text) == text, "run: .venv/bin/python docs/render.py"
