-- Everything that several nodes must agree on is decided here, in the engine, one decision after the other.
--
-- KEYS[1] is the namespace, ARGV[1] the name of the decision; what follows, and what is answered, is said at each.
--
--   ns:engine   hash    base (the name of this history), term, run, layout, time (ms, never backwards), beat (ms)
--   ns:heads    hash    room -> number of its last message
--   ns:feed     stream  n-term, what happened, in one order, without holes; one entry is one batch
--   ns:room:R   stream  last-term, one entry is one record; last is the number of its last message
--   ns:rooms    zset    room, in the order in which they were first spoken in
--   ns:topics   hash    room -> msgpack {text, name}
--   ns:epochs   hash    room -> the term in which the room last lost something that was shown
--   ns:ids:L    hash    id -> "digest number", what the lineage L used it for first; ns:ids:L:old the same, older
--   ns:notes:K  hash    key -> note, of the kind K; nodes write these by themselves
--   ns:applied  hash    node -> its last batch that was carried out
--   ns:fence    hash    node -> the number of its newest connection
--   ns:leases   zset    node, by when its lease ends (ms)

local LAYOUT = '1'
local FEED_ENTRIES = 20000
local IDS_S, IDS = 600, 10000
local SILENCE_MS = 3000

local function key(name) return KEYS[1] .. ':' .. name end

local function digits(n) return string.format('%.0f', n) end

-- The wall clock in ms, which never goes back, whatever the engine's machine does.
local function now_ms()
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return math.max(now, tonumber(redis.call('HGET', key('engine'), 'time') or 0))
end

local function is_term(term) return redis.call('HGET', key('engine'), 'term') == term end

-- Put fields and values into the feed as one entry. Its number has no hole before it, so a reader sees what it missed.
local function feed(term, fields)
  local n = redis.call('HINCRBY', key('engine'), 'n', 1)
  redis.call('XADD', key('feed'), 'MAXLEN', '~', FEED_ENTRIES, digits(n) .. '-' .. term, unpack(fields))
end

-- attach: node, a base for an empty engine.
-- -> base, term, n (of the feed's last entry), now, the node's last batch that was carried out, fence, layout
-- The term changes with each run of the engine. What older connections of this node still carry comes too late.
local function attach()
  local node, fresh = ARGV[2], ARGV[3]
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local base, term, last_run, layout = unpack(redis.call('HMGET', key('engine'), 'base', 'term', 'run', 'layout'))
  if not base then
    base, term, layout = fresh, '1', LAYOUT
    redis.call('HSET', key('engine'), 'base', base, 'term', term, 'run', run, 'layout', layout)
  elseif last_run ~= run then
    term = digits(redis.call('HINCRBY', key('engine'), 'term', 1))
    redis.call('HSET', key('engine'), 'run', run)
  end
  return {base, term, redis.call('HGET', key('engine'), 'n') or '0', digits(now_ms()),
          redis.call('HGET', key('applied'), node) or '0', digits(redis.call('HINCRBY', key('fence'), node, 1)), layout}
end

-- What a lineage used an id for first: digest, number; nil if it is new.
local function used(lineage, id)
  local ids = key('ids:' .. lineage)
  local use = redis.call('HGET', ids, id) or redis.call('HGET', ids .. ':old', id)
  if not use then return nil end
  local digest, seq = string.match(use, '^(%d+) (%d+)$')
  return tonumber(digest), tonumber(seq)
end

local function use(lineage, id, digest, seq)
  local ids = key('ids:' .. lineage)
  redis.call('HSET', ids, id, digits(digest) .. ' ' .. digits(seq))
  redis.call('EXPIRE', ids, IDS_S)
  if redis.call('HLEN', ids) >= IDS then redis.call('RENAME', ids, ids .. ':old') end
end

-- The texts of a message that are new, with the numbers of all its ids; the same as journal.numbering does.
local function new_texts(lineage, texts, ids, digests, first)
  local new, new_ids, numbers, reused = {}, {}, {}, {}
  for at, text in ipairs(texts) do
    local id, seq = ids[at] or '', first + #new
    local is_new = true
    if id ~= '' then
      local digest, earlier = used(lineage, id)
      is_new = digest == nil
      if is_new then
        use(lineage, id, digests[at], seq)
        numbers[#numbers + 1] = {id, seq}
      elseif digest == digests[at] then
        numbers[#numbers + 1] = {id, earlier}
      else
        reused[#reused + 1] = id
      end
    end
    if is_new then
      new[#new + 1] = text
      new_ids[#new_ids + 1] = id
    end
  end
  return new, new_ids, numbers, reused
end

-- What became of each kind of item, as fields and values of the feed: "room\0last" and the record ("0" and "": nothing
-- is new); behind it, if the item had ids, "\1" and msgpack {numbers, reused, whether it is the first of its id}.
local items = {}

-- A message: room, lineage, kind, name, texts, ids, digests; `keep` is how many messages a room keeps.
function items.message(fields, term, now, keep, room, lineage, kind, name, texts, ids, digests)
  local last = tonumber(redis.call('HGET', key('heads'), room) or 0)
  local new, new_ids, numbers, reused = new_texts(lineage, texts, ids, digests, last + 1)
  local head, record = room .. '\0' .. '0', ''
  if #new > 0 then
    local first = last + 1
    record = cmsgpack.pack({first, now, kind, name, new, #ids > 0 and new_ids or {}})
    last = digits(last + #new)
    redis.call('HSET', key('heads'), room, last)
    if first == 1 then redis.call('ZADD', key('rooms'), redis.call('ZCARD', key('rooms')), room) end
    redis.call('XADD', key('room:' .. room), 'MAXLEN', '~', keep, last .. '-' .. term, 'r', record)
    if kind == 'topic' then redis.call('HSET', key('topics'), room, cmsgpack.pack({new[1], name})) end
    head = room .. '\0' .. last
  end
  fields[#fields + 1], fields[#fields + 2] = head, record
  if #ids > 0 then fields[#fields + 1], fields[#fields + 2] = '\1', cmsgpack.pack({numbers, reused, false}) end
end

-- A private message: lineage, id, digest. Its text stays with the node.
function items.whisper(fields, _term, _now, _keep, lineage, id, digest)
  local earlier = used(lineage, id)
  if earlier == nil then use(lineage, id, digest, 0) end
  local is_same = earlier == nil or earlier == digest
  fields[#fields + 1], fields[#fields + 2] = '\0' .. '0', ''
  fields[#fields + 1] = '\1'
  fields[#fields + 1] = cmsgpack.pack({is_same and {{id, 0}} or {}, is_same and {} or {id}, earlier == nil})
end

-- put: term, node, fence, batch, deadline (ms), messages that a room keeps, then a msgpack {kind, ...} for each item.
-- -> now. Errors: STALE (another term), FENCED (a newer connection), DONE (carried out before), LATE (nothing was done).
local function put()
  local term, node, fence, batch, deadline, keep = unpack(ARGV, 2, 7)
  if not is_term(term) then return redis.error_reply('STALE') end
  if redis.call('HGET', key('fence'), node) ~= fence then return redis.error_reply('FENCED') end
  if tonumber(batch) <= tonumber(redis.call('HGET', key('applied'), node) or 0) then return redis.error_reply('DONE') end
  local now = now_ms()
  if now > tonumber(deadline) then return redis.error_reply('LATE') end
  local fields = {node, batch}
  for at = 8, #ARGV do
    local item = cmsgpack.unpack(ARGV[at])
    items[item[1]](fields, term, now, keep, unpack(item, 2))
  end
  redis.call('HSET', key('engine'), 'time', digits(now))
  redis.call('HSET', key('applied'), node, batch)
  feed(term, fields)
  return digits(now)
end

-- beat: term, node, how long its lease is (ms). -> whether it still had one, now, how many nodes are given up.
-- While the engine stood still nobody could renew a lease: so leases stand still with it.
local function beat()
  local term, node, lease, now = ARGV[2], ARGV[3], tonumber(ARGV[4]), now_ms()
  if not is_term(term) then return redis.error_reply('STALE') end
  local gap = now - tonumber(redis.call('HGET', key('engine'), 'beat') or now)
  if gap > SILENCE_MS then
    for _, other in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
      redis.call('ZINCRBY', key('leases'), gap, other)
    end
  end
  redis.call('HSET', key('engine'), 'beat', digits(now))
  local had_lease = redis.call('ZSCORE', key('leases'), node)
  redis.call('ZADD', key('leases'), now + lease, node)
  local gone = redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now)
  for _, other in ipairs(gone) do
    redis.call('ZREM', key('leases'), other)
    redis.call('HDEL', key('fence'), other)
    redis.call('HDEL', key('applied'), other)
  end
  return {had_lease and 1 or 0, digits(now), #gone}
end

local decisions = {attach = attach, put = put, beat = beat}
return decisions[ARGV[1]]()
