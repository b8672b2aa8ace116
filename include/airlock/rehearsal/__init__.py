"""The rehearsal of an upgrade: what a candidate image would do to what is live, before anybody upgrades."""
