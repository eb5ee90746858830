"""Mail and webhooks of a real service: each is told once that a job is done, and by what."""

import json
from pathlib import Path

import pytest
import requests

from tests.contract.rq_bench import wait_until
from tests.cutout_client import finished, submit
from tests.e2e.service_process import started
from tests.listeners import Box, mail_server, receiving
from tests.synthetic import DEC_DEG, RA_DEG, make_survey

pytestmark = pytest.mark.xdist_group("told")

SETTINGS = """
[web]
base_url = "http://example.org/cut"
[mail]
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "Cutouts <cut@example.org>"
recipients = "example.org"
[webhooks]
enabled = true
secret = "a secret of many letters"
allow_http = true
allow_private = true
[sweep]
every_s = 1
"""


def test_who_wants_to_be_told_is_told_once(tmp_path: Path) -> None:
    make_survey(tmp_path / "data")
    box = Box()
    with mail_server(box) as port, receiving() as receiver:
        (tmp_path / "soda.toml").write_text(SETTINGS.format(port=port))
        options = [
            "--config",
            str(tmp_path / "soda.toml"),
            "--data",
            str(tmp_path / "data"),
            "--port",
            "0",
        ]
        with started(["-m", "soda_service", "serve", *options], tmp_path / "log") as service:
            url = f"http://{service.address}"
            refused = submit(url, RA="1", DEC="1", EMAIL="me@elsewhere.example")
            assert refused.status_code == 400
            assert "EMAIL: address not allowed; allowed domains: example.org" in refused.text
            table = f"RA,DEC\n{RA_DEG},{DEC_DEG}\n200,45\n"
            answer = submit(
                url, POSITIONS=table, EMAIL="me@example.org", WEBHOOK=receiver.url, JOBNAME="Told"
            )
            job = finished(f"{url}/async/{answer.headers['Location'].rpartition('/')[2]}")
            assert b"jobInfo" in requests.get(job.url, timeout=60).content
            wait_until(lambda: bool(box.mails and receiver.calls))
            service.stop()
    (mail,) = box.mails
    job_id = job.url.rpartition("/")[2]
    assert mail["Subject"] == "[Sky cutout service] Done, 1 of 2 positions: Told"
    text = mail.get_body(("plain",))
    assert text is not None
    for words in (
        f"http://example.org/cut/jobs/{job_id}",
        "unmatched",
        "row 2, unmatched: no tile",
    ):
        assert words in text.get_content()
    ((_, _, body),) = receiver.calls
    told = json.loads(body)
    assert (told["job"], told["phase"], told["counts"]["ok"], told["counts"]["rows"]) == (
        job_id, "COMPLETED", 1, 2,
    )  # fmt: skip
