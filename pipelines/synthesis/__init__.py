"""What a synthesise stage is made of: a teacher, what it is asked, and what of its replies is kept."""
