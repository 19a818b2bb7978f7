"""An edge stack to study: DNS, L4, L7 and the control channel between them."""
