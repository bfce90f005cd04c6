"""`joelclaw doctor`: what weakens the bus here, or keeps its work from moving."""
