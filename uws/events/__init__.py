"""Phase events: telling clients that wait what changed, in one process or over Redis."""
