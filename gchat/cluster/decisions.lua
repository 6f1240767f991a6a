-- Everything that several nodes must agree on is decided here, in the engine, one decision after the other.
--
-- KEYS[1] is the namespace, ARGV[1] the name of the decision; what follows, and what is answered, is said at each. An
-- error needs two words: of one, the engine takes none for a code.
--
--   ns:engine      hash    base (the name of this history), term, run, layout, unicode, n (of the feed's last entry),
--                          fences, time, raw, beat, stood (ms), mark, marked, old: see the functions that keep them
--   ns:heads       hash    room -> number of its last message
--   ns:feed        stream  n-term, what happened, in one order, without holes; one entry is one batch
--   ns:room:R      stream  last-term, one entry is one record; last is the number of its last message
--   ns:rooms       zset    room, in the order in which they were first spoken in
--   ns:topics      hash    room -> msgpack {text, name}
--   ns:epochs      hash    room -> the term in which the room last lost something that was shown
--   ns:ids:L       hash    id -> "digest number", what the lineage L used it for first; ns:ids:L:old the same, older
--   ns:notes:K     hash    key -> note, of the kind K; nodes write these by themselves
--   ns:checkpoint  hash    n, data: what the entries of the feed up to n have led to
--   ns:numbers     zset    the number of a node, by when it began: of the last 10,000 nodes
--   ns:leases      zset    node, by when its lease ends (ms)
--   ns:fence       hash    node -> the number of its newest connection
--   ns:applied     hash    node -> its last batch that was carried out
--   ns:infos       hash    node -> what it told of itself with its last beat
--   ns:to:NODE     channel letters from node to node

local IDS_S, IDS = 600, 10000
local NUMBERS = 10000

-- A term counts the runs of the engine, in its upper bits; the lower ones are drawn from the name of the run. Else two
-- engines would count alike that go on from the same point, as one that has run on and a replica that is behind, and
-- messages of the one would be taken for those of the other.
local DRAWN = 16777216

local function key(name) return KEYS[1] .. ':' .. name end

local function digits(n) return string.format('%.0f', n) end

-- What nearly every decision needs of ns:engine, asked for once.
local base, run_term, last, last_raw, n =
  unpack(redis.call('HMGET', key('engine'), 'base', 'term', 'time', 'raw', 'n'))
last, last_raw, n = tonumber(last or 0), tonumber(last_raw or 0), tonumber(n or 0)

-- Other fields of it as numbers; 0 where there is none.
local function numbers(...)
  local found = redis.call('HMGET', key('engine'), ...)
  for at, value in ipairs(found) do found[at] = tonumber(value or 0) end
  return unpack(found)
end

-- The time (ms), which never goes back: if the clock of the engine's machine was set back, time goes at half the speed
-- until the clock has caught up. Returns the clock as well, because both are kept.
local function time_now()
  local clock = redis.call('TIME')
  local raw = clock[1] * 1000 + math.floor(clock[2] / 1000)
  return math.max(raw, last + math.ceil(math.max(raw - last_raw, 0) / 2)), raw
end

local function keep_time(now, raw) redis.call('HSET', key('engine'), 'time', digits(now), 'raw', digits(raw)) end

-- Why the node must attach anew, if it must: STALE, the engine has another term than its "base.number"; or FENCED, it
-- has a newer connection, or was given up.
local function unattached(term, node, fence)
  if not base or base .. '.' .. run_term ~= term then return redis.error_reply('STALE term') end
  if redis.call('HGET', key('fence'), node) ~= fence then return redis.error_reply('FENCED node') end
end

-- Put fields and values into the feed as one entry, and keep others of ns:engine. Its number has no hole before it, so a
-- reader sees what it missed.
local function feed(fields, ...)
  n = n + 1
  redis.call('HSET', key('engine'), 'n', digits(n), ...)
  redis.call('XADD', key('feed'), digits(n) .. '-' .. run_term, unpack(fields))
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

-- The texts of a message that are new, and their ids, with the numbers of all its ids; the same as journal.numbering does.
local function new_texts(lineage, texts, ids, digests, first)
  if #ids == 0 then return texts, ids end
  local new, new_ids, numbers, reused = {}, {}, {}, {}
  for at, text in ipairs(texts) do
    local id, seq = ids[at], first + #new
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
-- is new); behind it, if the item had ids, "\1" and msgpack {numbers, reused, whether it is the first of its id}. A step
-- is "\2" and its bytes, a node that is gone "\3" and its name, a room with another epoch "\4" and its name.
local items = {}

-- A message: room, lineage, kind, name, texts, ids, digests; `keep` is how many messages a room keeps.
function items.message(fields, term, now, keep, room, lineage, kind, name, texts, ids, digests)
  local last = tonumber(redis.call('HGET', key('heads'), room) or 0)
  local new, new_ids, numbers, reused = new_texts(lineage, texts, ids, digests, last + 1)
  local head, record = room .. '\0' .. '0', ''
  if #new > 0 then
    local first = last + 1
    record = cmsgpack.pack({first, now, kind, name, new, new_ids})
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

-- put: term, node, fence, batch, deadline (ms), messages that a room keeps, then the items: a msgpack {kind, ...}, or
-- "\0" and a step. -> now. Errors: STALE, FENCED, DONE (carried out before), LATE (nothing was done).
local function put()
  local term, node, fence, batch, deadline, keep = unpack(ARGV, 2, 7)
  local why = unattached(term, node, fence)
  if why then return why end
  local applied = redis.call('HGET', key('applied'), node) or 0
  if tonumber(batch) <= tonumber(applied) then return redis.error_reply('DONE before') end
  local now, raw = time_now()
  if now > tonumber(deadline) then return redis.error_reply('LATE batch') end
  local fields = {node, batch}
  for at = 8, #ARGV do
    local packed = ARGV[at]
    if string.byte(packed) == 0 then
      fields[#fields + 1], fields[#fields + 2] = '\2', string.sub(packed, 2)
    else
      local item = cmsgpack.unpack(packed)
      items[item[1]](fields, run_term, now, keep, unpack(item, 2))
    end
  end
  redis.call('HSET', key('applied'), node, batch)
  feed(fields, 'time', digits(now), 'raw', digits(raw))
  return digits(now)
end

-- What is put most often: what the others need is not even defined.
if ARGV[1] == 'put' then return put() end

local function drop(node)
  redis.call('ZREM', key('leases'), node)
  for _, name in ipairs({'fence', 'applied', 'infos'}) do redis.call('HDEL', key(name), node) end
end

-- attach: node, its number, "1" if it is its first time, a base for an empty engine, layout, version of Unicode, the base
-- that it knows, the id of the feed's entry that it heard last.
-- -> term, n (of the feed's last entry), the node's last batch that was carried out, fence, "1" if it has a lease, "1" if
-- the feed has what it heard last. Errors: LAYOUT and UNICODE (with what the other nodes have), TAKEN (another node has
-- or had this number).
-- The term changes with each run of the engine, the fence each time: what older connections carry comes too late.
-- A beat alone gives a lease: so a node that was given up learns it, even if it does not get the first answer.
local function attach()
  local node, number, is_new, fresh, layout, unicode, known, at = unpack(ARGV, 2, 9)
  local now, raw = time_now()
  local last_run, has_layout, has_unicode =
    unpack(redis.call('HMGET', key('engine'), 'run', 'layout', 'unicode'))
  if base and has_layout ~= layout then return redis.error_reply('LAYOUT ' .. tostring(has_layout)) end
  if base and has_unicode ~= unicode and redis.call('ZCOUNT', key('leases'), digits(now), '+inf') > 0 then
    return redis.error_reply('UNICODE ' .. tostring(has_unicode))
  end
  if is_new == '1' and redis.call('ZSCORE', key('numbers'), number) then return redis.error_reply('TAKEN number') end
  keep_time(now, raw)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  base = base or fresh
  local term = run_term or '0'
  if last_run ~= run then
    term = digits((math.floor(term / DRAWN) + 1) * DRAWN + tonumber(string.sub(run, 1, 6), 16))
  end
  local fence = digits(redis.call('HINCRBY', key('engine'), 'fences', 1))
  redis.call('HSET', key('engine'), 'base', base, 'term', term, 'run', run, 'layout', layout, 'unicode', unicode)
  redis.call('HSET', key('fence'), node, fence)
  redis.call('ZADD', key('numbers'), digits(now), number)
  redis.call('ZREMRANGEBYRANK', key('numbers'), 0, -1 - NUMBERS)
  local has_lease = redis.call('ZSCORE', key('leases'), node)
  local is_there = known == base and (at == '0-0' or #redis.call('XRANGE', key('feed'), at, at) > 0)
  return {base .. '.' .. term, digits(n), redis.call('HGET', key('applied'), node) or '0', fence,
          has_lease and '1' or '0', is_there and '1' or '0'}
end

-- Give up the nodes whose lease has ended: all others learn it by the feed, in its order, once.
local function give_up(now)
  local fields = {'', '0'}
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', digits(now))) do
    drop(node)
    fields[#fields + 1], fields[#fields + 2] = '\3', node
  end
  if #fields > 2 then feed(fields) end
end

-- Drop what is old: more than `entries` entries ago, longer ago than `age` (ms), and in the checkpoint. `mark` is the
-- last entry at the time `marked`, and `old` the mark before, so it is older than `age`.
local function trim(now, entries, age)
  local mark, marked, old = numbers('mark', 'marked', 'old')
  if now - marked >= tonumber(age) then
    old = mark
    redis.call('HSET', key('engine'), 'mark', digits(n), 'marked', digits(now), 'old', digits(old))
  end
  local in_checkpoint = tonumber(redis.call('HGET', key('checkpoint'), 'n') or 0)
  local first = math.min(n - entries + 1, old + 1, in_checkpoint)
  if first > 1 then redis.call('XTRIM', key('feed'), 'MINID', '~', digits(first)) end
end

-- beat: term, node, fence, how long its lease is (ms), how long a silence of all nodes may be (ms), how many entries
-- and how much (ms) of the feed are kept, what the node tells of itself.
-- -> now, stood, n of the checkpoint (-1: there is none), n of the feed, then each node and what it told. Errors: STALE,
-- FENCED.
-- While the engine stood still nobody could renew a lease: so leases stand still with it, and so does the time of the
-- cluster, which is the time less `stood`.
local function beat()
  local term, node, fence, lease, silence, entries, age, info = unpack(ARGV, 2, 9)
  local why = unattached(term, node, fence)
  if why then return why end
  local now, raw = time_now()
  local beaten, stood = numbers('beat', 'stood')
  local gap = beaten > 0 and now - beaten or 0
  if gap > tonumber(silence) then
    stood = stood + gap
    for _, other in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
      redis.call('ZINCRBY', key('leases'), digits(gap), other)
    end
  end
  keep_time(now, raw)
  redis.call('HSET', key('engine'), 'beat', digits(now), 'stood', digits(stood))
  redis.call('ZADD', key('leases'), digits(now + lease), node)
  redis.call('HSET', key('infos'), node, info)
  give_up(now)
  trim(now, entries, age)
  local kept = redis.call('HGET', key('checkpoint'), 'n') or '-1'
  return {digits(now), digits(stood), kept, digits(n), unpack(redis.call('HGETALL', key('infos')))}
end

-- keep: term, node, fence, n, data: a checkpoint. -> n of the newest one. Errors: STALE, FENCED.
local function keep()
  local term, node, fence, n, data = unpack(ARGV, 2, 6)
  local why = unattached(term, node, fence)
  if why then return why end
  local newest = redis.call('HGET', key('checkpoint'), 'n')
  if newest and tonumber(newest) >= tonumber(n) then return newest end
  redis.call('HSET', key('checkpoint'), 'n', n, 'data', data)
  return n
end

-- leave: term, node, fence, "1" if all others are to give it up. Errors: STALE, FENCED.
local function leave()
  local term, node, fence, is_gone = unpack(ARGV, 2, 5)
  local why = unattached(term, node, fence)
  if why then return why end
  drop(node)
  if is_gone == '1' then feed({'', '0', '\3', node}) end
  return 'OK'
end

-- rebase: term, node, fence, room, the term of the last message that was shown and is lost. -> the term that names the
-- room's epoch. The first node that finds a loss names it, and all others learn it by the feed; what was shown since then
-- and is lost is another loss.
-- Errors: STALE, FENCED.
local function rebase()
  local term, node, fence, room, lost = unpack(ARGV, 2, 6)
  local why = unattached(term, node, fence)
  if why then return why end
  local known = redis.call('HGET', key('epochs'), room)
  if known and tonumber(known) > tonumber(lost) then return known end
  redis.call('HSET', key('epochs'), room, run_term)
  feed({'', '0', '\4', room})
  return run_term
end

local decisions = {attach = attach, beat = beat, keep = keep, leave = leave, rebase = rebase}
return decisions[ARGV[1]]()
