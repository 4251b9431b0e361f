"""What integration and chaos tests share: a running community, what people see of it, and waiting with a deadline."""
