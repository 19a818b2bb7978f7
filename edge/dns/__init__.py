"""Which POP is nearest and healthy? The authoritative DNS of the edge."""
