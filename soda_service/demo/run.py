"""The demonstration on a terminal: make the survey, serve it, cut the example, show the result."""

import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from soda_service.config.load import load_config
from soda_service.demo.client import JobState, create_job, fetch_json, wait_for_change
from soda_service.demo.survey import is_made, make_survey
from soda_service.errors import ConfigError, CutoutError

__all__ = ["EXAMPLE_OPTIONS", "EXAMPLE_TABLE", "run_demo"]

EXAMPLE_TABLE = """\
RA,DEC,COADD_OBJECT_ID,XSIZE,YSIZE,COLORS_FITS,FITS_COLORS,RGB_STIFF_COLORS,RGB_LUPTON_COLORS,\
RGB_MINIMUM,RGB_STRETCH,RGB_ASINH,MAKE_FITS,MAKE_RGB_STIFF,MAKE_RGB_LUPTON
21.58813,3.48611,,,,,g,gry;riy,gry,,,,true,true,true
21.57213,3.78611,,0.9,1.3,,rg,gry;riy,gry,,,,true,true,false
46.29566,-34.256,,0.9,1.3,,iz,gry;riy,gry,1.1,60.0003,11.12,true,false,false
46.275669,-34.256000,,0.90,1.30,g,,gry;riy,,,,,true,false,true
,,61407409,1.1,0.8,z,,,riy,0.9,40.0,11.0,true,,true
"""
"""The table whose summary the old service's help shows, and the rows of its full example.

FITS_COLORS is no option there either: a column of the user's own, kept with a warning.
"""

EXAMPLE_OPTIONS = {
    "RELEASE": "DR1",
    "DB": "DESDR",
    "XSIZE": "1.5",
    "YSIZE": "0.5",
    "COLORS_FITS": "y",
    "MAKE_FITS": "true",
    "MAKE_RGB_STIFF": "true",
    "MAKE_RGB_LUPTON": "true",
    "RGB_STIFF_COLORS": "riz",
    "RGB_LUPTON_COLORS": "izy",
    "JOBNAME": "example",
}
"""The job's options in the same example."""

_STOP_S = 30


def run_demo(
    data: Path | None,
    *,
    port: int,
    keep: bool,
    prepare_only: bool,
    workers: int,
    console: Console,
) -> int:
    """Run the demonstration; return the exit status.

    Parameters
    ----------
    data
        Data directory, kept; None for a temporary one that is removed at the end.
    port
        Of the service; 0 for a free one.
    keep
        Leave the service running until Ctrl-C.
    prepare_only
        Make the survey and stop.

    Raises
    ------
    ConfigError
        When the survey alone is to be made, and there is no directory to keep it in.
    """
    if prepare_only and data is None:
        raise ConfigError("--prepare: name the directory that keeps the survey by --data")
    # A closed terminal, or a stop from outside, must clean up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = data or Path(tempfile.mkdtemp(prefix="soda-demo-"))
        if data is None:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder = folder.resolve()
        _prepare(folder, workers, console)
        if prepare_only:
            console.print(f"The survey exists. Serve it: soda-service serve --data {folder}")
            return 0
        log = folder / "demo-service.log"
        try:
            base_url, process = stack.enter_context(_service(folder, port, workers, log))
            status = _run_example(base_url, console)
            if keep or data:
                console.print(f"Pictures: {folder / 'jobs'}", soft_wrap=True)
            if keep:
                console.print(f"The service runs at {base_url} until Ctrl-C.")
                _wait_for_interrupt(process)
        except (CutoutError, OSError) as error:
            detail = _body(error) if isinstance(error, urllib.error.HTTPError) else str(error)
            console.print(f"[red]The demonstration failed:[/red] {escape(detail)}")
            console.print("".join(log.read_text().splitlines(keepends=True)[-20:]), markup=False)
            return 1
        if not keep:
            console.print("The service stops now; `soda-service demo --keep` leaves it running.")
        return status


def _body(error: urllib.error.HTTPError) -> str:
    return error.read().decode(errors="replace").strip() or str(error)


def _wait_for_interrupt(process: subprocess.Popen[str]) -> None:
    try:
        status = process.wait()
    except KeyboardInterrupt:
        return
    raise CutoutError(f"the service ended unexpectedly with status {status}")


def _prepare(data: Path, processes: int, console: Console) -> None:
    if is_made(data):
        console.print("The synthetic survey exists already.")
        return
    data.mkdir(parents=True, exist_ok=True)
    catalogue_url = load_config(data=data).store_url()
    with Progress(console=console) as bar:
        task = bar.add_task("Making the synthetic survey", total=10)
        make_survey(
            data,
            catalogue_url=catalogue_url,
            processes=processes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


@contextmanager
def _service(
    data: Path, port: int, workers: int, log: Path
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the embedded service as a separate process; yield its address and the process."""
    command = [sys.executable, "-m", "soda_service", "serve", "--data", str(data)]
    command += ["--port", str(port), "--workers", str(workers)]
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,  # noqa: S603 - our own program
    ):
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            line = process.stdout.readline()
            if not line.startswith("ready "):
                raise CutoutError("the service did not start")
            yield line.removeprefix("ready ").strip(), process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _run_example(base_url: str, console: Console) -> int:
    job_url = create_job(base_url, {"POSITIONS": EXAMPLE_TABLE, **EXAMPLE_OPTIONS})
    console.print(f"POST {base_url}/async -> {job_url}", soft_wrap=True)
    with Progress(console=console) as bar:
        task = bar.add_task("Cutting", total=EXAMPLE_TABLE.count("\n") - 1)
        state = wait_for_change(job_url, seconds=0)
        while state.is_active:
            state = wait_for_change(job_url, seconds=2, phase=state.phase)
            bar.update(task, completed=state.done, total=state.total or None)
    console.print(f"Phase: [bold]{state.phase}[/bold] {escape(state.message)}")
    if state.phase != "COMPLETED":
        return 1
    return _show(state, base_url, console)


def _show(state: JobState, base_url: str, console: Console) -> int:
    summary = fetch_json(state.results["summary.json"])
    for result, href in state.results.items():
        console.print(f"  [link={href}]{result}[/link]", soft_wrap=True, highlight=False)
    table = Table("row", "RA", "Dec", "tile", "status", "files", "coverage", box=SIMPLE_HEAD)
    for cutout in summary["cutouts"]:
        values = [cutout[key] for key in ("ROW", "RA", "DEC", "TILENAME", "STATUS")]
        values += [len(cutout["FILES"]), cutout["COVERAGE"]]
        table.add_row(*(str(value) for value in values))
    console.print(table)
    console.print(
        f"{summary['number_of_files']} files, {summary['size_on_disk']}, "
        f"in {summary['processing_time']} s (matching {summary['query_time']} s)"
    )
    remarks = [f"row {c['ROW']}: {c['MESSAGE']}" for c in summary["cutouts"] if c["MESSAGE"]]
    for remark in (*remarks, *(f"warning: {text}" for text in summary["warnings"])):
        console.print(remark, markup=False)
    console.print(f"Summary:  {state.results['summary.json']}", soft_wrap=True)
    console.print(f"Archive:  {state.results['archive']}", soft_wrap=True)
    console.print(f"Job:      {state.url}", soft_wrap=True)
    console.print(f"Service:  {base_url}/", soft_wrap=True)
    is_whole = all(cutout["STATUS"] == "ok" for cutout in summary["cutouts"])
    return 0 if is_whole else 1
