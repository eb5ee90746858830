"""The rules of UWS 1.1 and DALI 1.1 as this server keeps them, one line each.

A test of a rule has its number in its name (`test_uws_41_...`, `test_uws_t13_...`) and takes the
fixture of what it observes: `target` (both servers), `toy` or `cutout`. What cannot be observed
on one of the two says why here. `test_table.py` holds table and tests together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its strength in the standard, and what this server does."""

    strength: str
    kept: str
    unobserved: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot be seen on `toy` or on `cutout`."""


_NO_SUCH_PAGE = {"toy": "capabilities belong to the application around the job list"}
_NO_NUMBERS = {"toy": "the toy job takes words and counts only"}
_GEOMETRY = dict.fromkeys(
    ("toy", "cutout"), "concerns shapes on the sky: SODA's parameters, not the job list"
)

RULES: Mapping[str, Rule] = {
    # ------------------------------------------------------------------ resources
    "UWS-1": Rule("MUST", "ten resources, lower-case names; ids of 32 hexadecimal digits"),
    "UWS-2": Rule("MUST", "documents, one word, seconds, instants; what is unknown is empty"),
    "UWS-3": Rule("SHOULD", "application/xml; text/plain in UTF-8 without a newline"),
    "UWS-4": Rule("MUST", "valid XML, unless HTML is asked for as browsers do, or JSON"),
    "UWS-5": Rule("MUST", "version 1.1 on job and jobs, and on no other root"),
    "UWS-6": Rule("MUST", "instants in UTC with Z"),
    "UWS-7": Rule("SHOULD", "404 unknown, 403 wrong phase or owner; a failed job is 200"),
    "UWS-8": Rule("MAY", "the list is named in the capabilities", _NO_SUCH_PAGE),
    # ------------------------------------------------------------------- job list
    "UWS-9": Rule("SHOULD", "all jobs of the caller, as a stream"),
    "UWS-10": Rule("MUST", "id, absolute link; phase, runId, ownerId, creationTime"),
    "UWS-11": Rule("SHOULD", "PHASE may be repeated: any of them"),
    "UWS-12": Rule(
        "MUST",
        "ARCHIVED jobs only by PHASE=ARCHIVED",
        {"cutout": "destroyed jobs are forgotten unless jobs.archive is set (test_archived)"},
    ),
    "UWS-13": Rule("SHOULD", "AFTER: created strictly later, to the microsecond"),
    "UWS-14": Rule("SHOULD", "LAST: so many, newest first"),
    "UWS-15": Rule("SHOULD", "filters joined by AND, then sorted, then cut"),
    "UWS-16": Rule("ADVISE", "bad filters 400; loose instants are read"),
    "UWS-17": Rule("MAY", "not done: the list is never cut unasked"),
    # --------------------------------------------------------------- job document
    "UWS-18": Rule("MUST", "children in the order of the schema; JSON says the same"),
    "UWS-19": Rule("MUST", "what is required is there, creationTime too"),
    "UWS-20": Rule("MUST", "unknown instants are nil, nothing else is"),
    "UWS-21": Rule("MUST", "seconds in 32 bits, 0 is unlimited; beyond it ABORTED"),
    "UWS-22": Rule("MUST", "at its destruction a job is gone with its results"),
    "UWS-23": Rule("SHOULD", "an instant once a rate is known, nil before"),
    "UWS-24": Rule("SHOULD", "nil and an empty /owner for the anonymous owner"),
    "UWS-25": Rule("MUST", "RUNID is given back as it came"),
    "UWS-26": Rule("MAY", "progress and notes in urn:uws-server:jobinfo:1"),
    "UWS-27": Rule("MUST", "repeats repeated; long, binary and illegal text by reference"),
    "UWS-28": Rule("MUST", "unique ids, size and type of what is sent, hrefs below /results"),
    "UWS-29": Rule("MUST", "listed and fetched while EXECUTING, kept by abort, read only"),
    "UWS-30": Rule("SHOULD", "type, hasDetail=true and one message"),
    "UWS-31": Rule("MUST", "/error 200 for a failed job, else 404"),
    "UWS-32": Rule("MUST", "the phases and moves of the standard, no others; never UNKNOWN"),
    # ------------------------------------------------------------------- blocking
    "UWS-33": Rule("MUST", "only GET of the job waits"),
    "UWS-34": Rule("MUST", "only in PENDING, QUEUED, EXECUTING"),
    "UWS-35": Rule("SHOULD", "negative: up to the cap; 0: at once; no integer: 400"),
    "UWS-36": Rule("MUST", "in another phase than the one named: at once"),
    "UWS-37": Rule("ADVISE", "capped; 404 if deleted meanwhile; a waiter holds up nobody"),
    # ------------------------------------------------------------- changing state
    "UWS-38": Rule("MUST", "303 with the job's address"),
    "UWS-39": Rule("SHOULD", "unreadable bodies 400; parameters are not judged before RUN"),
    "UWS-40": Rule("MAY", "PHASE=RUN, RUNID, DESTRUCTION, EXECUTIONDURATION at creation"),
    "UWS-41": Rule("MUST", "RUN: 303; a fault found then is an ERROR of the job"),
    "UWS-42": Rule("MUST", "ABORT: seen in the answer that the redirect leads to"),
    "UWS-43": Rule("ADVISE", "403 for what the phase forbids; ABORT twice is 303"),
    "UWS-44": Rule("MUST", "DELETE: 303 to the list; nothing else can be deleted"),
    "UWS-45": Rule("MUST", "ACTION=DELETE likewise, and nothing less"),
    "UWS-46": Rule("MUST", "404 afterwards"),
    "UWS-47": Rule("MUST", "303, clamped with a note; the past is 400"),
    "UWS-48": Rule("MUST", "303, clamped with a note; 403 for a finished job"),
    "UWS-49": Rule("MAY", "POST replaces all values of a name, PUT is the bare value"),
    "UWS-50": Rule("SHOULD", "parts with a file name by reference, byte for byte"),
    "UWS-51": Rule("MUST", "303 always, by both encodings of a form"),
    "UWS-52": Rule(
        "MUST",
        "another's job is 403 and not listed; 401 where login is needed",
        {"cutout": "the service is open: everybody is the same anonymous owner"},
    ),
    "UWS-53": Rule("informative", "no facade of its own: RUN, WAIT, results/result"),
    # ----------------------------------------------------------------------- DALI
    "DALI-1": Rule("MUST", "names in any case, control parameters too; values as sent"),
    "DALI-2": Rule("MUST", "form and multipart bodies"),
    "DALI-3": Rule("MUST", "repeated pairs; commas are part of a value"),
    "DALI-4": Rule("MUST", "query first, then body"),
    "DALI-5": Rule("MUST", "MultiValuedParamNotSupported"),
    "DALI-6": Rule("ADVISE", "unknown parameters are refused when the job is run"),
    "DALI-7": Rule("MUST", "as UWS-38"),
    "DALI-8": Rule("MUST NOT", "parameters posted to the job are 400"),
    "DALI-9": Rule("MUST", "parameters change only while PENDING"),
    "DALI-10": Rule("MUST", "results are there below the list; unknown ones 404"),
    "DALI-11": Rule("MUST", "/error and errorSummary say the same"),
    "DALI-12": Rule("MUST", "capabilities and availability beside the list", _NO_SUCH_PAGE),
    "DALI-13": Rule("MUST", "the media type asked for; others 400"),
    "DALI-14": Rule(
        "MAY",
        "MAXREC is accepted and noted to have no effect: there are no queries",
        {"toy": "the toy job refuses all that it does not know (DALI-6)"},
    ),
    "DALI-15": Rule("MAY", "tables come as parts of the form; UPLOAD is refused with a hint"),
    "DALI-16": Rule(
        "MAY",
        "REQUEST and VERSION are accepted and noted to have no effect",
        {"toy": "the toy job refuses all that it does not know (DALI-6)"},
    ),
    "DALI-17": Rule("SHOULD", "RUNID of 64 characters at most, shown as runId"),
    "DALI-18": Rule("MUST", "numbers and booleans as in VOTable", _NO_NUMBERS),
    "DALI-19": Rule("MUST", "instants with Z and without"),
    # ---------------------------------------------------------------------- traps
    "UWS-T1": Rule("trap", "no offset +00:00"),
    "UWS-T2": Rule("trap", "absolute links; a proxy is believed where the settings say so"),
    "UWS-T3": Rule("trap", "an active job's WAIT blocks"),
    "UWS-T4": Rule("trap", "both spellings of a slash, no 308"),
    "UWS-T5": Rule("trap", "Location without query or slash, ending in the job's id"),
    "UWS-T6": Rule("trap", "prefixes literally uws and xlink"),
    "UWS-T7": Rule("trap", "atoms and document say the same"),
    "UWS-T8": Rule("trap", "PHASE posted to the job works as at its phase"),
    "UWS-T9": Rule("trap", "a POST without ACTION=DELETE does not delete"),
    "UWS-T10": Rule("trap", "no seconds as quote, no empty element that is not nil"),
    "UWS-T11": Rule("trap", "names in upper case"),
    "UWS-T12": Rule("trap", "LAST by creation, newest first"),
    "UWS-T13": Rule("trap", "QUEUED before the 303 goes out"),
    "UWS-T14": Rule("trap", "a change before the wait is not missed"),
    "UWS-T15": Rule("trap", "an errorSummary only in ERROR"),
    "UWS-T16": Rule("trap", "no cookies; reading changes nothing"),
    "UWS-T17": Rule("trap", "GET and DELETE wait for no worker"),
    "UWS-T18": Rule("trap", "repeated parameters are repeated, though taplint frowns"),
    "UWS-T19": Rule("trap", "WAIT with PHASE is honoured"),
    "UWS-T20": Rule("trap", "the list is valid, empty or not"),
    "DALI-T1": Rule("trap", "winding of polygons", _GEOMETRY),
    "DALI-T2": Rule("trap", "as DALI-19, for DESTRUCTION and AFTER too"),
    "DALI-T3": Rule("trap", "text/xml asked for is text/xml"),
    "DALI-T4": Rule("trap", "RANGE at the poles", _GEOMETRY),
    "DALI-T5": Rule("trap", "errors are text that begins with a label"),
}
