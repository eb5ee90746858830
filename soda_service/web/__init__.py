"""HTTP outside the UWS tree: VOSI documents, releases, validation, whole tiles, metrics.

Routes are thin: they read the request, call one function, and write the response.
"""
