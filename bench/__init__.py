"""Our tiers and real peers, on the same work, in the same run."""
