"""Messages about jobs, and links that open or extend them."""
