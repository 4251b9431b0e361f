"""One folder per network comes here: each bridge is a process of its own, with a registration of its own."""
