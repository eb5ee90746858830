"""The pages: ask, watch, look, take away. Each module makes the routes of one of them."""
