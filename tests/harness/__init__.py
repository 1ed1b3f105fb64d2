"""What the integration and crash tests share: source servers, the sluice binary, and the comparison of source and lake."""
