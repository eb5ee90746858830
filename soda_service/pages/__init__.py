"""The HTML pages: submit jobs, follow them, view and download results; one module per page."""
