"""`python -m soda_service`: the commands, as `soda-service` runs them."""

from soda_service.cli.main import main

if __name__ == "__main__":
    main()
