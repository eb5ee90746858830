"""Restart indexes of compressed rows."""
