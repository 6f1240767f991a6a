"""The cluster: several equal nodes share the same rooms through an engine (Valkey, or Redis 7).

It knows the journal's interfaces and the core's values. It does not know connections, dialects or HTTP.

    engine_url         the address of an engine, as its users write it (pure)
    engine_connection  questions and answers, in their order
    engine_opening     a connection that is dialled, encrypted, authenticated and ready
    sentinels          they know which engine is the primary
    replication        how an engine and its replicas stand (pure)
    engine             where the engine is now, and connections to it, to be put to and to be read from
    decisions.lua      everything that several nodes must agree on, decided in the engine
    entries            what nodes tell the engine, and what its feed tells them, as values (pure)
    fitness            whether an engine is fit to be used, and what it promises (pure)
    attachment         a node's connections to the engine, and the decisions, asked in the engine's words
    unanswered         what a node put, until its outcome is known (pure)
    batches            the batches of a node on their way to the engine
    feed_place         where a node is in the feed, and up to where it has ever been
    feed_lag           how far behind the feed a node is (pure)
    cluster_time       the time of the cluster, which stands still while the engine does (pure)
    reasons            why nothing can be stored, as users are told (pure)
    link_owner         what a link tells (pure)
    link               what a node puts into the engine, the feed that it gets, and what happens when there is none
    room_streams       what the engine has of each room
    room_terms         which message, or entry of the feed, is the same on two sides (pure)
    open_rooms         the rooms that a node has open, and its place in them after something was missed or lost
    engine_notes       notes, in the engine
    members            what nodes share beside messages, as the journal tells it
    importing          a history in an SQLite file, moved into an engine
    journal            the journal that nodes share, on a link
"""
