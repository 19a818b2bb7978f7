"""Which endpoint next?  One interface, seven answers, shared by L4 and L7."""
