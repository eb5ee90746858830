"""The command index-tiles, which makes restart indexes of tiles."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from soda_service.cli.options import Shared, cores, pass_shared, progress_bar, shared_options
from soda_service.errors import ConfigError
from soda_service.startup import start_process

if TYPE_CHECKING:
    from soda_service.config.model import Config
    from soda_service.pixels.objectstore import Servers
    from soda_service.restart.indexfolder import IndexFolder
    from soda_service.restart.indexing import BandFile, Indexed
    from soda_service.sky.release import Release
    from soda_service.sky.releases import Releases

__all__ = ["index_tiles"]

_OUTCOMES = {"fresh": "were there", "needless": "files need none", "failed": "failed"}
_TOLD_MAX = 100
"""Maximum number of problems shown individually."""


@click.command("index-tiles")
@click.argument("release", required=False)
@click.option("--tile", "tiles", multiple=True, metavar="NAME", help="This tile; may be repeated.")
@click.option("--band", "bands", multiple=True, metavar="BAND", help="This band; may be repeated.")
@click.option(
    "--jobs",
    "processes",
    type=click.IntRange(min=1),
    default=cores,
    show_default="number of cores",
    metavar="N",
    help="Number of tiles processed at a time.",
)
@click.option("--force", "is_forced", is_flag=True, help="Also make existing indexes again.")
@click.option(
    "--remove",
    "is_removal",
    is_flag=True,
    help="Remove RELEASE's indexes; without RELEASE those of tiles that no longer exist.",
)
@shared_options
@pass_shared
@click.pass_context
def index_tiles(  # noqa: PLR0913 - one parameter for each option of the command
    ctx: click.Context,
    shared: Shared,
    *,
    release: str | None,
    tiles: tuple[str, ...],
    bands: tuple[str, ...],
    processes: int,
    is_forced: bool,
    is_removal: bool,
) -> None:
    """Make the restart indexes of RELEASE's tiles, or of all releases.

    Cutouts from compressed tiles are several times faster with them. Existing indexes that fit
    their tiles are kept. The exit status is 1 if a tile could not be read.
    """
    if (tiles or bands) and release is None:
        raise click.UsageError("--tile and --band need a RELEASE")
    config = shared.load()
    folder = _folder(config)
    from soda_service.pixels.objectstore import Servers
    from soda_service.restart.indexing import index_files
    from soda_service.sky.releases import Releases

    releases, servers = Releases(config.release_folders()), Servers(config.remote)
    if is_removal and release is None:
        click.echo(f"{_remove_gone(releases, servers, folder)} restart indexes removed")
        return
    served = (each for each in releases.all() if releases.has_tiles(each))
    named = [releases.get(release)] if release else served
    chosen = [(each, _files(releases, each, servers, tiles, bands)) for each in named]
    if is_removal:
        for each, files in chosen:
            removed = sum(folder.remove(one.file.path) for one in files if one.file)
            click.echo(f"{each.name}: {removed} restart indexes removed")
        return
    _require_decoder()
    work = partial(
        index_files,
        folder=folder,
        servers=servers,
        is_forced=is_forced,
        processes=processes,
        begin=partial(start_process, config.log),
    )
    problems = [text for each, files in chosen for text in _told(each, work(files), len(files))]
    _tell(problems)
    ctx.exit(1 if problems else 0)


def _folder(config: "Config") -> "IndexFolder":
    from soda_service.restart.indexfolder import IndexFolder

    folder = config.index_folder()
    if folder is None:
        raise ConfigError(
            "no folder of restart indexes is set; use --data DIR, or cutouts.index_folder"
        )
    return IndexFolder(folder)


def _files(
    releases: "Releases",
    release: "Release",
    servers: "Servers",
    tiles: Sequence[str],
    bands: Sequence[str],
) -> list["BandFile"]:
    """Return the files of the selected tiles; raise an error for a root that is unavailable."""
    from soda_service.restart.indexing import band_files, chosen_tiles, require_root

    index = releases.index(release)
    numbers, names = chosen_tiles(release, index, tiles=tiles, bands=bands)
    require_root(release)
    return list(band_files(release, index, numbers, names, servers))


def _require_decoder() -> None:
    from soda_service.engine import compiled

    if compiled.native is None:
        raise ConfigError(
            "restart indexes need the compiled decoder, which is not in use: "
            f"{compiled.engine_path()}"
        )


def _told(release: "Release", work: Iterable["Indexed"], total: int) -> list[str]:
    """Show progress and a summary of the results; return the problems."""
    from soda_service.results.summary import size_text

    counts: Counter[str] = Counter()
    size_bytes, problems = 0, []
    with progress_bar(f"{release.name}: indexing") as progress:
        progress(0, total)
        for number, done in enumerate(work, start=1):
            counts[done.outcome] += 1
            size_bytes += done.size_bytes
            if done.problem:
                problems.append(f"{release.name} {done.name}: {done.problem}")
            progress(number, total)
    parts = [f"{counts['made']} restart indexes made, {size_text(size_bytes)}"]
    parts += [f"{counts[word]} {text}" for word, text in _OUTCOMES.items() if counts[word]]
    click.echo(f"{release.name}: {'; '.join(parts)}")
    return problems


def _tell(problems: Sequence[str]) -> None:
    for problem in problems[:_TOLD_MAX]:
        click.echo(problem, err=True)
    if len(problems) > _TOLD_MAX:
        click.echo(f"and {len(problems) - _TOLD_MAX} more", err=True)


def _remove_gone(releases: "Releases", servers: "Servers", folder: "IndexFolder") -> int:
    """Remove the indexes of files that no release has, or that do not exist."""
    from soda_service.restart.indexing import Wanted

    if releases.faults():
        raise ConfigError(f"tiles that no longer exist cannot be found: {releases.faults()[0]}")
    return folder.remove_others(Wanted(releases, servers).has)
