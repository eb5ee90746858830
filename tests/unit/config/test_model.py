import importlib.util
from dataclasses import asdict
from pathlib import Path

import pytest

from soda_service.assembly import picture_settings
from soda_service.config.load import load_config
from soda_service.config.model import Config, JobsConfig
from soda_service.cutouts.pictures import PictureSettings
from soda_service.engine.colour.methods.stiff import STIFF, StiffSettings
from soda_service.errors import ConfigError
from soda_service.formats.deflate import fastest_deflate
from soda_service.formats.format import Encoding
from uws.runtime import JobLimits
from uws.store import open_store, store_file

ROOT = Path(__file__).resolve().parents[3]
_ORIGIN = "https://example.org, with a port if necessary, without a path or a slash at the end"
NOTHING: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "{path}: not TOML: Invalid value (at end of document)"),
        ("[webb]", "{path}: webb: no such section; did you mean 'web'?"),
        ("[web]\nprot = 1", "{path}: web.prot: no such key; did you mean 'port'?"),
        ("[auth]\nx = 1", "{path}: auth.x: no such key; known here: mode"),
        ("web = 1", "{path}: web: expected a table, found 1"),
        ("data = 1", "{path}: data: found 1; expected a path"),
        ('data = ""', "{path}: data: found ''; expected a path"),
        (
            "[web]\nport = 65536",
            "{path}: web.port: 65536 is out of bounds; allowed: 0 to 65535",
        ),
        ("[jobs]\ntries = 0", "{path}: jobs.tries: 0 is out of bounds; allowed: at least 1"),
        # Added to the present time they would be no date.
        (
            "[jobs]\narchive_days = 1000000",
            "{path}: jobs.archive_days: 1000000 is out of bounds; allowed: 1 to 36500",
        ),
        (
            "[jobs]\nlifetime_max_s = 10000000000",
            "{path}: jobs.lifetime_max_s: 10000000000 is out of bounds; allowed: 60 to 3155760000",
        ),
        (
            "[sweep]\nevery_s = nan",
            "{path}: sweep.every_s: nan is out of bounds; allowed: 0.1 to 3600",
        ),
        ("[web]\nport = 1.5", "{path}: web.port: expected an integer, found 1.5"),
        ("[web]\nport = true", "{path}: web.port: expected an integer, found True"),
        ("[web]\nhost = 1", "{path}: web.host: expected text, found 1"),
        ("[mail]\npassword = 1234", "{path}: mail.password: expected text, found something else"),
        (
            "[web]\nallow_remote_open = 1",
            "{path}: web.allow_remote_open: expected true or false, found 1",
        ),
        ('[log]\nformat = "xml"', "{path}: log.format: 'xml' is not allowed; allowed: text, json"),
        ("[releases]\nfolders = 1", "{path}: releases.folders: expected a list, found 1"),
        ("[releases]\nfolders = [1]", "{path}: releases.folders[1]: found 1; expected a path"),
        (
            '[web]\npath_prefix = "sky/"',
            "web.path_prefix: 'sky/' does not begin with /, or ends with it",
        ),
        (
            '[web]\nbase_url = "example.org"',
            "web.base_url: 'example.org' does not begin with http:// or https://",
        ),
        *(
            (
                f'[web]\ntrusted_origins = "https://good.example, {bad}"',
                f"web.trusted_origins: '{bad}' is not an origin; write it as {_ORIGIN}",
            )
            for bad in ("*", "null", "example.org", "https://example.org/", "https://a/b")
        ),
        (
            '[store]\nurl = "mysql://h/d"',
            "store.url: mysql: is unknown; known: sqlite, postgresql, postgresql+psycopg",
        ),
        (
            "[jobs]\nlifetime_default_s = 100\nlifetime_max_s = 99",
            "jobs.lifetime_default_s: 100 exceeds jobs.lifetime_max_s = 99",
        ),
        (
            "[jobs]\nexecution_default_s = 0",
            "jobs.execution_default_s: 0 (0 is unlimited) exceeds jobs.execution_max_s = 86400",
        ),
        (
            '[pictures]\nstiff_min_type = "sky"',
            (
                "{path}: pictures.stiff_min_type: 'sky' is not allowed; allowed: greylevel,"
                " quantile, manual"
            ),
        ),
        (
            '[pictures]\nstiff_max_type = "greylevel"',
            (
                "{path}: pictures.stiff_max_type: 'greylevel' is not allowed; allowed: quantile,"
                " manual"
            ),
        ),
        (
            "[pictures]\nstiff_gamma = 0",
            "{path}: pictures.stiff_gamma: 0 is out of bounds; allowed: 0.001 to 10",
        ),
        (
            "[pictures]\nstiff_luminance_gamma = 11",
            "{path}: pictures.stiff_luminance_gamma: 11 is out of bounds; allowed: 0.001 to 10",
        ),
        (
            "[pictures]\nstiff_saturation = -0.5",
            "{path}: pictures.stiff_saturation: -0.5 is out of bounds; allowed: 0 to 10",
        ),
        (
            "[pictures]\njpeg_quality = 101",
            "{path}: pictures.jpeg_quality: 101 is out of bounds; allowed: 1 to 100",
        ),
        (
            "[pictures]\nthumbnails_rows_max = -1",
            "{path}: pictures.thumbnails_rows_max: -1 is out of bounds; allowed: at least 0",
        ),
        (
            "[pictures]\nstiff_min_level = 1",
            (
                "pictures.stiff_min_level: 1.0 is not a fraction of full brightness from 0 to"
                " below 1, which stiff_min_type = greylevel needs"
            ),
        ),
        (
            '[pictures]\nstiff_min_type = "quantile"\nstiff_min_level = -0.1',
            "pictures.stiff_min_level: -0.1 is not a quantile from 0 to 1",
        ),
        (
            "[pictures]\nstiff_max_level = 1.5",
            "pictures.stiff_max_level: 1.5 is not a quantile from 0 to 1",
        ),
        (
            '[pictures]\nstiff_min_type = "manual"\nstiff_min_level = -inf',
            "pictures.stiff_min_level: -inf is not a finite pixel value",
        ),
        (
            (
                '[pictures]\nstiff_min_type = "manual"\nstiff_min_level = 5\n'
                'stiff_max_type = "manual"\nstiff_max_level = 5'
            ),
            "pictures.stiff_max_level: 5.0 (white) is not above stiff_min_level = 5.0 (black)",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "soda.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ=NOTHING)
    assert str(caught.value) == message.format(path=path)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SODA_WEB__PORT", "many", "web.port: expected an integer, found 'many'"),
        (
            "SODA_WEB__ALLOW_REMOTE_OPEN",
            "perhaps",
            "web.allow_remote_open: expected true or false, found 'perhaps'",
        ),
        (
            "SODA_PICTURES__STIFF_GAMMA",
            "nan",
            "pictures.stiff_gamma: 'nan' is out of bounds; allowed: 0.001 to 10",
        ),
        ("SODA_QUEUE__URI", "x", "queue.uri: no such key; did you mean 'url'?"),
        ("SODA_QUEUES__URL", "x", "queues: no such section; did you mean 'queue'?"),
    ],
)
def test_what_is_wrong_in_the_environment_is_refused(
    variable: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={variable: text})
    assert str(caught.value) == f"environment: {message}"


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "soda.toml"
    path.write_text('[log]\nlevel = "all"\n[web]\nport = -1\nhost = 1\n[webb]\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={"SODA_WEB__PORT": "never looked at"})
    assert str(caught.value).split("\n") == [
        f"{path}: web.host: expected text, found 1",
        f"{path}: web.port: -1 is out of bounds; allowed: 0 to 65535",
        f"{path}: log.level: 'all' is not allowed; allowed: debug, info, warning, error",
        f"{path}: webb: no such section; did you mean 'web'?",
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "soda.toml"
    with pytest.raises(ConfigError) as caught:
        load_config(environ={"SODA_CONFIG": str(path)})
    assert str(caught.value) == (
        f"{path}: cannot be read: [Errno 2] No such file or directory: '{path}'"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "soda.example.org"])
def test_an_open_service_is_not_shown_to_other_machines_by_accident(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={"SODA_WEB__HOST": host})
    assert str(caught.value) == (
        f"web.host: {host} is reachable from other machines while auth.mode is open, so everybody"
        " there could use, read and delete everything; set web.allow_remote_open = true if this is"
        " intended, or listen on 127.0.0.1"
    )
    allowed = {"SODA_WEB__HOST": host, "SODA_WEB__ALLOW_REMOTE_OPEN": "yes"}
    assert load_config(environ=allowed).web.host == host


def test_without_anything_all_is_default() -> None:
    assert load_config(environ=NOTHING) == Config()


def test_the_later_source_wins(tmp_path: Path) -> None:
    path = tmp_path / "soda.toml"
    path.write_text(
        'data = "from-file"\n[web]\nport = 1\nthreads = 11\nhost = "127.0.0.2"\n'
        '[log]\nlevel = "debug"'
    )
    environ = {
        "SODA_CONFIG": str(path),
        "SODA_DATA": "/from/environment",
        "SODA_WEB__PORT": "2",
        "SODA_WEB__THREADS": "22",
        "SODA_SERVICE_HOST": "other people's",
        "SODA_PORT": "tcp://192.0.2.1:80",
    }
    overrides = {"web": {"port": 3}}

    config = load_config(environ=environ, overrides=overrides)
    assert config.data == Path("/from/environment")
    assert (config.web.port, config.web.threads, config.web.host) == (3, 22, "127.0.0.2")
    assert config.log.level == "debug"
    assert load_config(None, Path("/given"), environ=environ).data == Path("/given")
    assert load_config(path, environ=NOTHING).data == tmp_path / "from-file"


def test_relative_paths_start_where_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    path = tmp_path / "conf" / "soda.toml"
    path.write_text('[files]\nroot = "../jobs"\n[releases]\nfolders = ["a", "/b"]')
    monkeypatch.chdir(tmp_path)

    config = load_config(path, environ=NOTHING)
    assert config.files_root() == str(tmp_path / "jobs")
    assert config.releases.folders == (tmp_path / "conf" / "a", Path("/b"))

    config = load_config(environ={"SODA_RELEASES__FOLDERS": "a:/b", "SODA_FILES__ROOT": "jobs"})
    assert config.files_root() == str(tmp_path / "jobs")
    assert config.releases.folders == (tmp_path / "a", Path("/b"))


def test_what_follows_from_the_data_directory() -> None:
    config = load_config(None, Path("/data"), environ={"SODA_RELEASES__FOLDERS": "/more"})
    assert config.store_url() == "sqlite:////data/soda.db"
    assert config.files_root() == "/data/jobs"
    assert config.published_folder() == Path("/data/releases")
    assert config.release_folders() == (
        Path("/data/releases"),
        Path("/more"),
        ROOT / "conf" / "releases",
    )


@pytest.mark.parametrize("name", ["a%20b", "%41", "a?b", "a#b", "a b+c", "ü", "a;b&c", "p@q:r"])
def test_the_store_lies_in_the_data_directory_whatever_its_name(tmp_path: Path, name: str) -> None:
    """service F7: the path is no URL (sqlalchemy 11234, iterative/dvc 2885)."""
    folder = tmp_path / name
    folder.mkdir()
    url = Config(data=folder).store_url()
    assert store_file(url) == folder / "soda.db"
    store = open_store(url)
    store.migrate()
    store.close()
    assert (folder / "soda.db").stat().st_size > 0
    assert list(tmp_path.iterdir()) == [folder]


def test_without_a_data_directory_what_needs_it_says_so() -> None:
    config = Config()
    for needs_data in (
        config.data_folder,
        config.store_url,
        config.files_root,
        config.published_folder,
    ):
        with pytest.raises(ConfigError, match="no data directory is set; use --data DIR"):
            needs_data()
    assert config.release_folders() == (ROOT / "conf" / "releases",)
    with pytest.raises(ConfigError, match=r"queue\.url: no Redis server is set"):
        config.queue_url()


def test_limits_of_jobs_are_those_of_the_job_server() -> None:
    assert JobsConfig().limits() == JobLimits()
    assert asdict(JobsConfig()) == asdict(JobLimits())
    assert JobsConfig(window=3).limits() == JobLimits(window=3)


def test_without_settings_pictures_are_those_of_the_program() -> None:
    assert picture_settings(Config().pictures).of(STIFF) == StiffSettings()


def test_settings_of_pictures_reach_who_makes_them(tmp_path: Path) -> None:
    path = tmp_path / "soda.toml"
    path.write_text(
        "[pictures]\nstiff_gamma = 1.8\nstiff_luminance_gamma = 1.2\nstiff_saturation = 0\n"
        'stiff_min_type = "manual"\nstiff_min_level = -7\nstiff_max_type = "MANUAL"\n'
        "stiff_max_level = 1e4\njpeg_quality = 1\nthumbnails_rows_max = 0\n"
    )
    assert picture_settings(load_config(path, environ=NOTHING).pictures) == PictureSettings(
        {
            "stiff": StiffSettings(
                gamma=1.8,
                luminance_gamma=1.2,
                saturation=0.0,
                min_type="manual",
                min_level=-7.0,
                max_type="manual",
                max_level=1e4,
            )
        },
        Encoding(1, fastest_deflate()),
        thumbnails_rows_max=0,
    )


@pytest.mark.parametrize("name", ["development", "production"])
def test_the_example_files_can_be_read(name: str) -> None:
    assert load_config(ROOT / "conf" / f"{name}.toml", environ=NOTHING).data


def test_the_table_of_settings_is_that_of_the_code() -> None:
    docs = ROOT / "docs"
    spec = importlib.util.spec_from_file_location("render_settings", docs / "render_settings.py")
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    text = (docs / "configuration.md").read_text()
    assert render.rendered(text) == text, "run: .venv/bin/python docs/render_settings.py"


def test_one_underscore_too_few_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    load_config(environ={"SODA_WEB_PORT": "99", "SODA_PORT": "1", "SODA_CUTOUTS__ROWS_MAX": "5"})
    assert caplog.messages == [
        "SODA_WEB_PORT is not a setting and is ignored; did you mean SODA_WEB__PORT?"
    ]
