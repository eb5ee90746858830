"""Commands for data releases: publish, import-tiles, import-objects."""

from pathlib import Path

import click

from soda_service.cli.options import Shared, pass_shared, progress_bar, shared_options

__all__ = ["import_objects", "import_tiles", "publish"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the release.")
@click.option("--title", default="", help="Title for users; by default the name.")
@click.option("--band", metavar="BAND", help="Band of all images.")
@click.option(
    "--pattern", metavar="REGEX", help="Finds the band in file names; has a group named band."
)
@click.option("--default", "is_default", is_flag=True, help="Make it the default release.")
@click.option("--remove", is_flag=True, help="Withdraw the release; the images stay.")
@shared_options
@pass_shared
def publish(  # noqa: PLR0913 - one parameter for each option of the command
    shared: Shared,
    *,
    directory: Path,
    name: str,
    title: str,
    band: str | None,
    pattern: str | None,
    is_default: bool,
    remove: bool,
) -> None:
    """Publish all FITS images below DIRECTORY as a release, or update it."""
    folder = shared.load().published_folder()
    from soda_service.ingest import publish as publishing

    if remove:
        publishing.withdraw(name, folder)
        click.echo(f"{name}: withdrawn")
        return
    with progress_bar("reading headers") as progress:
        report = publishing.publish(
            directory,
            name=name,
            folder=folder,
            title=title,
            band=band,
            pattern=pattern,
            default=is_default,
            progress=progress,
        )
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    bands = ", ".join(report.release.band_names)
    click.echo(
        f"{report.release.name}: {report.tiles} tiles, bands {bands}, from {report.files} files"
    )


@click.command("import-tiles")
@click.argument("release")
@click.argument("file", type=_FILE)
@shared_options
@pass_shared
def import_tiles(shared: Shared, *, release: str, file: Path) -> None:
    """Import the tile table of RELEASE from FILE (CSV, FITS, VOTable, ECSV, Parquet)."""
    config = shared.load()
    folder = config.published_folder()
    from soda_service.ingest import importing
    from soda_service.sky.releases import Releases

    found = Releases(config.release_folders()).get(release)
    count = importing.import_tiles(found, file, folder)
    click.echo(f"{found.name}: {count} tiles")


@click.command("import-objects")
@click.argument("release")
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Remove the release's previous objects.")
@shared_options
@pass_shared
def import_objects(shared: Shared, *, release: str, file: Path, replace: bool) -> None:
    """Import the object catalogue of RELEASE from FILE (CSV, FITS, VOTable, ECSV, Parquet)."""
    config = shared.load()
    url = config.store_url()
    from soda_service.ingest import importing
    from soda_service.sky.catalogue import ObjectCatalogue
    from soda_service.sky.releases import Releases

    found = Releases(config.release_folders()).get(release)
    catalogue = ObjectCatalogue(url)
    try:
        count = importing.import_objects(found, file, catalogue, replace=replace)
    finally:
        catalogue.dispose()
    click.echo(f"{found.name}: {count} objects")
