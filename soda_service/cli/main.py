"""The command line, `soda-service`: all commands for operators.

Commands import what they need when called, since `--help` must be fast.
"""

from dataclasses import asdict

import click

from soda_service import __version__
from soda_service.cli.index import index_tiles
from soda_service.cli.options import CommandGroup, Shared, cores, pass_shared, shared_options
from soda_service.cli.registry import registry_record
from soda_service.cli.releases import import_objects, import_tiles, publish

__all__ = ["main"]


_workers = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=cores,
    show_default="number of cores",
    metavar="N",
    help="Worker processes.",
)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="soda-service")
@shared_options
def main() -> None:
    """Sky cutouts from survey tiles, by the standards of the Virtual Observatory."""


main.add_command(publish)
main.add_command(import_tiles)
main.add_command(import_objects)
main.add_command(index_tiles)
main.add_command(registry_record)


@main.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="0, the default: a free one."
)
@click.option("--keep", is_flag=True, help="Leave the service running until Ctrl-C.")
@click.option("--prepare", is_flag=True, help="Only make the synthetic survey.")
@_workers
@shared_options
@pass_shared
@click.pass_context
def demo(
    ctx: click.Context, shared: Shared, *, port: int, keep: bool, prepare: bool, workers: int
) -> None:
    """Demonstrate the service on a small synthetic survey."""
    from rich.console import Console

    from soda_service.demo.run import run_demo

    status = run_demo(
        shared.data,
        port=port,
        keep=keep,
        prepare_only=prepare,
        workers=workers,
        console=Console(),
    )
    ctx.exit(status)


@main.command()
@click.option("--host", help="Address to listen at (web.host).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (web.port); 0: a free one.")
@_workers
@shared_options
@pass_shared
def serve(shared: Shared, *, host: str | None, port: int | None, workers: int) -> None:
    """Run everything: queue, job store, workers, web, sweeper. Ctrl-C stops all."""
    config = shared.load(web={"host": host, "port": port})
    config.data_folder()  # report an error now, before the libraries are loaded
    from soda_service.serve import supervisor

    supervisor.serve(config, supervisor.service_parts(), workers=workers, announce=click.echo)


@main.command()
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.option("--name", help="Name of the worker, unique on its queue.")
@shared_options
@pass_shared
def worker(shared: Shared, *, burst: bool, name: str | None) -> None:
    """Run one worker, which takes tasks from the queue and makes cutouts."""
    config = shared.load()
    config.queue_url()  # report an error now, as in serve
    from soda_service.worker import run

    run(config, burst=burst, name=name)


@main.command()
@click.option("--every", type=float, metavar="S", help="Pause between sweeps (sweep.every_s).")
@click.option("--once", is_flag=True, help="Sweep once, and report what was done.")
@shared_options
@pass_shared
def sweep(shared: Shared, *, every: float | None, once: bool) -> None:
    """Destroy expired jobs, stop overdue ones, queue lost work again."""
    config = shared.load(sweep={"every_s": every})
    config.queue_url()  # report an error now, as in serve
    from soda_service.worker import run_sweep, sweep_once

    if not once:
        run_sweep(config)
        return
    for what, count in asdict(sweep_once(config)).items():
        click.echo(f"{what}: {count}")


@main.command("init-db")
@shared_options
@pass_shared
def init_db(shared: Shared) -> None:
    """Make the job store's tables, or upgrade them."""
    config = shared.load()
    from soda_service.worker import prepare

    prepare(config)
    click.echo("the job store is up to date")


@main.command("check-config")
@click.option("--settings", is_flag=True, help="Also list all settings in effect.")
@shared_options
@pass_shared
@click.pass_context
def check_config(ctx: click.Context, shared: Shared, *, settings: bool) -> None:
    """Check settings, releases, job store, queue and folders.

    The exit status is 1 if anything is wrong.
    """
    config = shared.load(log={"level": "error"})
    from soda_service.cli.checks import check, settings_in_effect

    if settings:
        for path, value in settings_in_effect(config):
            click.echo(f"{path} = {value}")
        click.echo()
    findings = tuple(check(config))
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark = "ok   " if finding.is_good else "WRONG"
        click.echo(f"{mark}  {finding.subject:{width}}  {finding.detail}")
    ctx.exit(0 if all(finding.is_good for finding in findings) else 1)
