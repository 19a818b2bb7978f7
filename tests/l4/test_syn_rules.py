"""Which nftables rules meter SYNs per source?"""

from edge.l4.syn_rules import Guard, parse_counters, ruleset, table_name

GUARD = Guard("127.0.1.1", (8443, 8000), syns_per_s=50, burst=100)


def test_the_next_start_finds_what_a_kill_left() -> None:
    """Same address, same name; and one transaction removes the old before it adds the new."""
    rules = ruleset(GUARD)

    assert table_name(GUARD) == table_name(Guard("127.0.1.1", (8443, 8000), 1, 1))
    assert rules.index("delete table") < rules.index("table inet edge_syn_127_0_1_1_8443_8000 {")
    # Adding first makes deleting safe where nothing was left.
    assert rules.startswith("add table inet edge_syn_127_0_1_1_8443_8000\n")


def test_only_syns_to_our_own_address_and_ports_are_metered() -> None:
    """Nothing else on the machine may notice that we are here."""
    rules = ruleset(GUARD)

    assert "ip daddr 127.0.1.1 tcp dport { 8443, 8000 }" in rules
    assert "tcp flags & (fin|syn|rst|ack) == syn" in rules
    assert "limit rate over 50/second burst 100 packets" in rules


def test_an_ipv6_source_is_its_slash_64() -> None:
    """As in admission: one phone has 2^64 addresses."""
    rules = ruleset(Guard("2001:db8::1", (8443,), 50, 100))

    assert "ip6 saddr & ffff:ffff:ffff:ffff::" in rules
    assert "type ipv6_addr" in rules


def test_counters_are_read_from_what_nft_prints() -> None:
    """Golden: nftables 1.0.6 on Debian 12, `nft list table`."""
    listing = """table inet edge_syn_127_0_1_1_8443 {
	counter passed {
		packets 212 bytes 12720
	}

	counter dropped {
		packets 19803 bytes 792120
	}
"""
    assert parse_counters(listing) == (212, 19803)
    assert parse_counters("") == (0, 0)
