"""A bus for tests: the real scripts on a real store, with a clock that the test moves.

    async with TestBus(functions) as bus:
        await bus.send(OrderPlaced(order="o-1"), id="o-1")
        await bus.settle()                      # all that can happen now has happened
        await bus.advance(days=30)              # … and all that was due in these thirty days, in its order
        assert (await bus.run("shop/charge", "o-1")).status == "completed"
        assert await bus.sent(PaymentTaken) == [PaymentTaken(order="o-1")]

What is real: the server, every script, the worker's own parts from the door to the settling. What is not: time.
docs/testing.md is the guide; decision record 0055 says how time is moved, and what therefore is not tested.
"""

from joelclaw_bus.testing.bus import NeverSettles, NoSuchRun, TestBus
from joelclaw_bus.testing.views import Run

__all__ = ["NeverSettles", "NoSuchRun", "Run", "TestBus"]
