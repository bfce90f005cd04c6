"""What can happen on the bus, a frozen dataclass each: of runs, of events, and troubles. `observer.Fact` joins them."""
