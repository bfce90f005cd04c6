"""Waiting for a store that isn't there yet: said once, shown on /ready, and never a reason to die.

A service that ended instead would be restarted for ever by its supervisor, and would say nothing on its probes.
"""

from __future__ import annotations

import logging
import time

import anyio

from joelclaw_bus.errors import BusError, StoreRefused, StoreUnfit
from joelclaw_bus.fitness import check_fitness
from joelclaw_bus.observer import Observer, StoreBack, StoreTrouble
from joelclaw_bus.store import Store
from joelclaw_pod.shell import Gate

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds


async def wait_for_store(store: Store, gate: Gate, observer: Observer) -> tuple[str, ...]:
    """Return once the store answers and is fit; what of it weakens a promise.

    Each new reason is said once; the observer hears of the spell.

    StoreUnfit when it can't carry the bus, whatever the patience; what only weakens a promise is said and goes on.
    """
    pause, began, said = FIRST_PAUSE, 0.0, ""
    while True:
        try:
            await store.call("PING")
            warnings = await _tell_fitness(store)
            break
        except StoreUnfit:
            raise
        except BusError as error:
            reason = str(error)
        if not said:
            began = time.monotonic()
            observer.saw(StoreTrouble(store.where, "starting", reason))
        if reason != said:
            log.warning("waiting for the store: %s", reason)
            gate.waiting(reason)
            said = reason
        await anyio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    if said:
        seconds = time.monotonic() - began
        observer.saw(StoreBack(store.where, seconds))
        log.info("the store is there after %.1f s", seconds)
    return warnings


async def _tell_fitness(store: Store) -> tuple[str, ...]:
    try:
        fitness = await check_fitness(store)
    except StoreRefused as error:  # a user without INFO can carry the bus all the same
        log.warning("the store's fitness can't be told: %s", error)
        return ()
    log.info("durability %s: %s", store.settings.durability, fitness.promise.sentence)
    for warning in fitness.warnings:
        log.warning("the store %s: %s", store.where, warning)
    return fitness.warnings
