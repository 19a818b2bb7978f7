"""The web application firewall: which requests look like attacks, and why."""
