"""Events to clients: sequence, replay, fan-out, SSE; knows neither Flask nor OctoBot."""
