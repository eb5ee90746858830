"""Job types: the bridges between the UWS server and the cutout domain."""
