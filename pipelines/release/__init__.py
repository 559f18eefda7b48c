"""A model as it is given away: its card, its forms, and the folder that is published."""
