"""From a graph to results: what runs when, what the cache knows, what is shared among builds."""
