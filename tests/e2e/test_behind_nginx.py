"""The service behind a real nginx, set up by the very block that docs/operate.md shows."""

import os
import re
import shutil
import socket
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import ROOT
from tests.cutout_client import AT
from tests.e2e.service_process import LIMIT_S, started, wait_for
from tests.synthetic import make_survey

HOST = "cutouts.example.org"
ELSEWHERE = {"Origin": "https://elsewhere.example"}
PAGE = b"<script>alert(1)</script>"

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")

pytestmark = [
    pytest.mark.xdist_group("nginx"),
    pytest.mark.skipif(
        NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"
    ),
]

AROUND = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{server}
}}
"""
"""What an nginx needs around a server block to run in a folder."""


@dataclass(frozen=True, slots=True)
class Front:
    """nginx, as clients see it."""

    port: int

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> requests.Response:
        return requests.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Host": HOST, **(headers or {})},
            allow_redirects=False,
            timeout=60,
            **body,
        )

    def create(self, **body: Any) -> str:
        """Create a job; gives its path."""
        answer = self.ask("POST", "/async", **body)
        assert answer.status_code == 303, answer.text
        where = urlsplit(answer.headers["Location"])
        assert (where.scheme, where.netloc) == ("https", HOST)
        return where.path

    def run(self) -> str:
        """Have a cutout made; gives the path of the job."""
        ra, dec = AT.split(",")
        job = self.create(data={"RA": ra, "DEC": dec, "PHASE": "RUN"})
        wait_for(lambda: self.ask("GET", f"{job}/phase").text == "COMPLETED", "the job")
        return job


def documented(places: Mapping[str, str]) -> str:
    """Take the server block from the page, with other places for those that are not here."""
    text = (ROOT / "docs" / "operate.md").read_text()
    (block,) = re.findall(r"^    server \{\n.*?^    \}\n", text, re.DOTALL | re.MULTILINE)
    for shown, here in places.items():
        assert block.count(shown) == 1, shown
        block = block.replace(shown, here)
    return textwrap.dedent(block)


@contextmanager
def nginx(folder: Path, server: str) -> Iterator[None]:
    """Run nginx on a server block until the end."""
    assert NGINX is not None
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not read the folder
    conf = folder / "nginx.conf"
    conf.write_text(AROUND.format(user=user, folder=folder, server=server))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [NGINX, "-p", str(folder), "-e", f"{folder}/start.log", "-c", str(conf)],
            stdout=output,
            stderr=output,
        )
    try:
        yield
        assert process.poll() is None, (folder / "output").read_text()
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Give a service with the `[web]` of conf/production.toml, behind nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    data = folder / "data"
    data.mkdir()
    make_survey(data)
    production = tomllib.loads((ROOT / "conf" / "production.toml").read_text())
    settings = {f"SODA_WEB__{key.upper()}": str(value) for key, value in production["web"].items()}
    command = ["-m", "soda_service", "serve", "--data", str(data), "--port", "0"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(
        [*command, "--workers", "1"], folder / "serve.log", environ={**os.environ, **settings}
    ) as service:
        server = documented(
            {
                "listen 443 ssl;": f"listen 127.0.0.1:{port};",
                "http://unix:/run/soda/web.sock": f"http://{service.address}",
                "/srv/soda/jobs/": f"{data}/jobs/",
            }
        )
        with nginx(folder, server):
            wait_for(lambda: _answers(port), "nginx")
            yield Front(port)


@pytest.mark.parametrize(
    ("declared", "served"),
    [
        ("text/html", "text/plain; charset=utf-8"),
        ("image/svg+xml", "application/octet-stream"),
    ],
)
def test_an_uploaded_page_is_no_page_of_the_service(
    front: Front, declared: str, served: str
) -> None:
    job = front.create(files={"POSITIONS": ("a.html", PAGE, declared)})
    answer = front.ask("GET", f"{job}/parameters/POSITIONS")
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["Content-Type"] == served
    assert answer.headers["Content-Disposition"] == "attachment; filename=POSITIONS"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")


def test_a_result_that_nginx_sends_has_the_headers_of_the_service(front: Front) -> None:
    job = front.run()
    answer = front.ask("GET", f"{job}/results/summary.json", headers=ELSEWHERE)
    assert (answer.status_code, answer.json()["status"]["ok"]) == (200, 1)
    for name, value in {
        "Content-Type": "application/json",
        "Content-Disposition": "inline; filename=summary.json",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
    }.items():
        assert answer.headers[name] == value
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
    # nginx sent it: the tag is of its making, and a Range is answered by it.
    assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', answer.headers["ETag"])
    part = front.ask("GET", f"{job}/results/summary.json", headers={"Range": "bytes=0-0"})
    assert (part.status_code, part.content) == (206, b"{")
    assert part.headers["Content-Security-Policy"] == answer.headers["Content-Security-Policy"]
    known = {"If-None-Match": answer.headers["ETag"]}
    same = front.ask("GET", f"{job}/results/summary.json", headers=known)
    assert (same.status_code, same.headers["X-Content-Type-Options"]) == (304, "nosniff")


def test_pages_of_other_sites_are_told_from_those_of_the_service(front: Front) -> None:
    asked = {"RA": "30", "DEC": "-20"}
    assert front.ask("POST", "/async", ELSEWHERE, data=asked).status_code == 403
    job = front.create(headers={"Origin": f"https://{HOST}"}, data=asked)
    assert front.ask("DELETE", job, ELSEWHERE).status_code == 403
    shown = front.ask("GET", job, ELSEWHERE)
    assert shown.status_code == 200
    assert "Access-Control-Allow-Origin" not in shown.headers
    refused = front.ask("GET", job, {"Host": "rebound.example"})
    assert (refused.status_code, "web.hosts" in refused.text) == (400, True)


def test_a_shared_result_tells_no_search_engine(front: Front) -> None:
    job = front.run()
    page = f"/jobs/{job.rpartition('/')[2]}"
    made = front.ask("POST", f"{page}/share", headers={"Accept": "application/json"})
    shared = urlsplit(made.json()["url"]).path
    answer = front.ask("GET", f"{shared}/results/summary.json")
    assert answer.status_code == 200
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_nobody_asks_nginx_for_files_past_the_service(front: Front) -> None:
    job = front.create(files={"POSITIONS": ("a.html", PAGE, "text/html")})
    job_id = job.rpartition("/")[2]
    for path in (f"/_files/{job_id}/", f"/_files/{job_id}/summary.json", f"/%5ffiles/{job_id}"):
        assert front.ask("GET", path).status_code == 404


def test_counts_are_not_for_the_world(front: Front) -> None:
    """Security L9: the documented nginx passed /metrics on to everybody."""
    assert front.ask("GET", "/metrics").status_code == 404
