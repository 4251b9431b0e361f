"""Policy lists, server ACLs, policy server: living beside other communities."""
