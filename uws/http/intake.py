"""Fields of a request become job parameters: short text stays text, all else becomes a file."""

import re
import secrets
from collections.abc import Iterable, Iterator

from uws.dali import ILLEGAL_IN_XML, shown
from uws.errors import NotFoundError, TooLargeError, UsageError
from uws.files import JobFiles, parameter_folder
from uws.http.formdata import FIELDS_MAX, Field
from uws.models import Parameter

__all__ = ["FILES_MAX", "INLINE_TOTAL_MAX", "Intake"]

FILES_MAX = 1000
"""Maximum number of values of a request that are kept by reference; each costs a file on disk."""

INLINE_TOTAL_MAX = 256 * 1024
"""Maximum number of characters of all values in a job's document; further values are kept by
reference."""

_NAME = re.compile(r"[A-Z_](?:[A-Z0-9_: -]{0,126}[A-Z0-9_:-])?")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+( *;[ -~]*)?", re.ASCII)


class Intake:
    """Collect parameters; all but short text is written to the job's files, if there is a job.

    Parameters
    ----------
    inline_max
        Longest value, in characters, that stays in the job document.
    files, job_id
        Where content by reference goes (UWS-27, UWS-50); without them it is refused.
    is_durable
        Whether that content must survive a power cut, as that of a job must.
    held
        What the job has already: its short values count against `INLINE_TOTAL_MAX`.
    """

    def __init__(
        self,
        inline_max: int,
        files: JobFiles | None = None,
        *,
        job_id: str = "",
        is_durable: bool = True,
        held: Iterable[Parameter] = (),
    ) -> None:
        self._inline_max = inline_max
        self._files = files
        self._job_id = job_id
        self._is_durable = is_durable
        self._inline_left = INLINE_TOTAL_MAX - sum(
            len(item.value) for item in held if not item.by_reference
        )
        self._written: list[str] = []
        self._count = 0
        self.parameters: list[Parameter] = []
        """In the order in which they came."""

    def take(self, fields: Iterable[Field]) -> None:
        """Read all fields; if one is refused, remove the files written so far.

        Raises
        ------
        UsageError
            When a name is not fit to be one, or the form cannot be read.
        TooLargeError
            When there are too many fields or files, or one has to be a file and may not.
        NotFoundError
            When the job was deleted meanwhile.
        """
        try:
            for field in fields:
                self._take_field(field)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove the files that this intake has written."""
        for key in self._written:
            if self._files is not None:
                self._files.delete(key)
        self._written.clear()

    def _take_field(self, field: Field) -> None:
        self._count += 1
        if self._count > FIELDS_MAX:
            raise TooLargeError(f"more than {FIELDS_MAX} parameters in one request")
        name = _checked_name(field.name)
        if field.is_file:
            self._store(name, b"", field, media_type=_media_type(field, "application/octet-stream"))
            return
        start = self._read_start(field.content)
        text = self._inline_text(start)
        if text is None:
            self._store(name, start, field, media_type=_media_type(field, "text/plain"))
        else:
            self._inline_left -= len(text)
            self.parameters.append(Parameter(name, text))

    def _read_start(self, content: Iterator[bytes]) -> bytes:
        """Read a value whole if it may be short enough, else enough to know that it is not."""
        start = bytearray()
        for piece in content:
            start += piece
            if len(start) > 4 * self._inline_max:  # a character has 4 bytes at most
                break
        return bytes(start)

    def _inline_text(self, data: bytes) -> str | None:
        if len(data) > 4 * self._inline_max:
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        longest = min(self._inline_max, self._inline_left)
        return None if len(text) > longest or ILLEGAL_IN_XML.search(text) else text

    def _store(self, name: str, start: bytes, field: Field, *, media_type: str) -> None:
        if self._files is None:
            raise self._refusal(name, start)
        if len(self._written) >= FILES_MAX:
            raise TooLargeError(
                f"{name}: more than {FILES_MAX} long values or files in one request"
            )
        # A name of its own: an upload at the same moment, or the value that this one is to
        # replace, has another.
        key = f"{parameter_folder(self._job_id)}/{name}.{secrets.token_hex(8)}"
        try:
            with self._files.writer(key, durable=self._is_durable) as stream:
                stream.write(start)
                for piece in field.content:
                    stream.write(piece)
        except FileNotFoundError as error:
            # Its folder was deleted during the upload.
            raise NotFoundError(f"job {self._job_id} was deleted meanwhile") from error
        self._written.append(key)
        self.parameters.append(Parameter(name, key, by_reference=True, media_type=media_type))

    def _refusal(self, name: str, start: bytes) -> UsageError:
        """Return the reason why a value cannot stay in the request."""
        longest = TooLargeError(f"{name}: must be a text of at most {self._inline_max} characters")
        if len(start) > 4 * self._inline_max:
            return longest
        try:
            illegal = ILLEGAL_IN_XML.search(start.decode())
        except UnicodeDecodeError:
            return UsageError(f"{name}: must be a text in UTF-8")
        if illegal is None:
            return longest
        found = f"U+{ord(illegal[0]):04X}"
        return UsageError(f"{name}: the control character {found} is not allowed in a text")


def _checked_name(name: str) -> str:
    canonical = name.strip().upper()
    if not _NAME.fullmatch(canonical):
        raise UsageError(
            f"parameter name {shown(name)}: a name has letters, digits, blanks, '_', '-', ':' "
            "and begins with a letter or '_'"
        )
    return canonical


def _media_type(field: Field, default: str) -> str:
    return field.media_type if _MEDIA_TYPE.fullmatch(field.media_type) else default
