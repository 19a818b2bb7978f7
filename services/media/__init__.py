"""media: pictures, made while you wait, the same ones every time."""
