"""Generate the table of parameters in docs/api.md from PARAMETERS: `python docs/render.py`."""

import re
from pathlib import Path

from soda_service.request.table import PARAMETERS

API = Path(__file__).parent / "api.md"
_PLACE = re.compile(r"(<!-- parameters -->\n).*(<!-- /parameters -->)", re.DOTALL)


def rendered(text: str) -> str:
    """Return the page with an updated table."""
    lines = ["| parameter | default | unit | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{spec.name}` | {spec.default} | {spec.unit} | {spec.description} |"
        for spec in PARAMETERS.values()
    ]
    table = "\n".join(lines)
    return _PLACE.sub(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", text)


if __name__ == "__main__":
    API.write_text(rendered(API.read_text()))
