"""What a model wrote, read: the option or the quantity that it names."""
