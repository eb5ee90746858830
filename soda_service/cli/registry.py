"""The command that writes registry records."""

from pathlib import Path

import click

from soda_service.cli.options import Shared, pass_shared, shared_options

__all__ = ["registry_record"]


@click.command("registry-record")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write one file per record there, instead of all to standard output.",
)
@shared_options
@pass_shared
def registry_record(shared: Shared, *, output: Path | None) -> None:
    """Write the VOResource records of the service and of its releases.

    A publishing registry of the Virtual Observatory needs them.
    """
    config = shared.load()
    from datetime import UTC, datetime

    from soda_service.assembly import build_holdings
    from soda_service.routes import offered_capabilities
    from soda_service.vo.registry import Publishing, collection_record, service_record
    from soda_service.web.served import ServedReleases

    base_url = config.web.base_url.rstrip("/")
    publishing = Publishing(config.service, base_url, datetime.now(UTC), offered_capabilities())
    releases = build_holdings(config).releases
    records = {"service": service_record(publishing)}
    for release in ServedReleases(releases).all():
        index = releases.index(release)
        records[release.name] = collection_record(publishing, release, index)
    for name, record in records.items():
        if output is None:
            click.echo(record.decode())
            continue
        output.mkdir(parents=True, exist_ok=True)
        path = output / f"{name}.xml"
        path.write_bytes(record)
        click.echo(str(path))
