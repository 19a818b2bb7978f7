"""The command line. May import everything; is imported by nothing."""
