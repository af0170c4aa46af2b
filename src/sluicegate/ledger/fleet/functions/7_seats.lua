-- Which part of a ledger in parts a worker belongs to: its seat. These keys have a hash tag of their own:
--   :seats  hash: a worker's part    :renewed  sorted set: when it last said that it is there, by the server's clock
--   :parts  of how many parts the ledger is, as the workers who have a seat say
--   :unsure when it was last seen that seats are missing of workers who are there, by the server's clock

local MOST_PARTS = 256
local MOST_GONE = 100  -- seats that one call takes away

local function give_up(base, worker)
  server.call('HDEL', base .. ':seats', worker)
  server.call('ZREM', base .. ':renewed', worker)
end

-- Those who have not renewed their seats, and those of a clock that was ahead: who is there says so again. Returns whether
-- they were as many as one call takes away.
local function unseat_the_gone(base, now, lasts)
  local many = false
  for _, range in ipairs({ { '-inf', text(now - lasts) }, { text(now + lasts), '+inf' } }) do
    local key = base .. ':renewed'
    local gone = server.call('ZRANGEBYSCORE', key, range[1], range[2], 'LIMIT', 0, MOST_GONE)
    for _, worker in ipairs(gone) do
      give_up(base, worker)
    end
    many = many or #gone == MOST_GONE
  end
  return many
end

-- Where a worker that had a seat has none any more, or very many have none at once, seats were forgotten, or nobody could
-- renew them. Until everybody who is there has said so again, counts say nothing, and nobody moves for them.
local function sure(base, now, lasts, missing)
  if missing then
    server.call('SET', base .. ':unsure', text(now))
    return false
  end
  local since = tonumber(server.call('GET', base .. ':unsure') or '')
  return not since or now < since or now - since > lasts
end

-- How many of the others are at each part.
local function seated(base, parts, worker)
  local counts = {}
  for part = 0, parts - 1 do
    counts[part] = 0
  end
  local seats = server.call('HGETALL', base .. ':seats')
  for i = 1, #seats, 2 do
    local part = tonumber(seats[i + 1])
    if seats[i] ~= worker and counts[part] then
      counts[part] = counts[part] + 1
    end
  end
  return counts, #seats / 2
end

-- The part of a worker: of a new one, which has the fewest; of another one its own, or, where it may move, that with the
-- fewest if this has two fewer. It counts there at once, so of many who ask at once no more move than should.
local function seat(base, args)
  if args[1] ~= FORM or #args ~= 6 then
    malformed('form')
  end
  local worker, parts, lasts = word('worker', args[2]), figure('parts', args[3]), figure('lasts', args[6]) * SECOND
  local own, moves = tonumber(args[4]), args[5] == '1'
  if parts < 1 or parts > MOST_PARTS or parts ~= math.floor(parts) or not own then
    malformed('parts')
  end
  local now = server_time()
  local many = unseat_the_gone(base, now, lasts)
  local missing = many or own >= 0 and not server.call('HGET', base .. ':seats', worker)
  local counts, all = seated(base, parts, worker)
  local before = server.call('GET', base .. ':parts')
  if all > 0 and before and tonumber(before) ~= parts then
    error({ refused = 'PARTS the ledger has ' .. before .. ' parts, and this worker would have ' .. args[3] })
  end
  local fewest = 0
  for part = 1, parts - 1 do
    if counts[part] < counts[fewest] then
      fewest = part
    end
  end
  local part = counts[own] and own or fewest
  local known = sure(base, now, lasts, missing)
  if moves and known and counts[fewest] < counts[part] then  -- without itself: so it has two fewer
    part = fewest
  end
  if all == 0 or not before then
    server.call('SET', base .. ':parts', args[3])
  end
  server.call('HSET', base .. ':seats', worker, text(part))
  server.call('ZADD', base .. ':renewed', text(now), worker)
  return { FORM, text(part), text(counts[part] + 1) }
end

local function unseat(base, args)
  if args[1] ~= FORM or #args ~= 2 then
    malformed('form')
  end
  give_up(base, word('worker', args[2]))
  return { FORM, '1' }
end

server.register_function('@NAME@_seat', answered(seat))
server.register_function('@NAME@_unseat', answered(unseat))
