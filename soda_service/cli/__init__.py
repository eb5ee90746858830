"""The commands of `soda-service`."""
