"""The cluster: several equal nodes share the same rooms through an engine (Valkey, or Redis 7).

It knows the journal's interfaces and the core's values. It does not know connections, dialects or HTTP.

    engine_url         the address of an engine, as its users write it (pure)
    engine_connection  questions and answers, in their order
    engine             where the engine is, and connections to it that are authenticated
    decisions.lua      everything that several nodes must agree on, decided in the engine
    entries            what nodes tell the engine, and what its feed tells them, as values (pure)
    link               what a node puts into the engine, the feed that it gets, and what happens when there is none
    importing        a history in an SQLite file, moved into an engine
    journal            the journal that nodes share, on a link
"""
