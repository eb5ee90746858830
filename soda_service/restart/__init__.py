"""Restart indexes: positions in compressed rows where decoding may start."""
