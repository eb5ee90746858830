"""UWS over HTTP: the Flask blueprint, requests in, documents out."""
