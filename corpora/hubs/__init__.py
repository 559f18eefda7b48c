"""The hubs that datasets and models are fetched from."""
