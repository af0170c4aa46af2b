-- The fleet: its clock, who is in it, what each may use while it is alone, and what lapses.
--
-- Two clocks, in whole microseconds. `clock` is the ledger's time: it follows the server's, but never gets ahead of what any
-- worker's monotonic clock allows. `filled` is the banks': it goes slower while shares of the whole may be in use elsewhere.
-- Shares are counted in millionths: sums of them are exact.

local SECOND = 1000000
local SLACK = 100000   -- microseconds that a message may take without holding the clock back
local MOST_EVENTS = 32  -- of one draw: where more workers fall silent at once, the clock waits for the next one
local MOST_HANDS = 4    -- that are swept in one draw, and
local MOST_SWEPT = 64   -- Users in each

local function now_of(S)
  return S.filled / SECOND
end

local function move(S, to)
  local elapsed = to - S.clock
  if elapsed > 0 then
    local before = now_of(S)
    S.filled = S.filled + elapsed * fill_part(S)
    S.clock = to
    fill_system(S, (now_of(S) - before) * S.threshold, now_of(S))
  end
end

local function due(base, member, at)
  server.call('ZADD', base .. ':due', text(at), member)
end

local function let_lapse(base, key, at)
  server.call('ZADD', base .. ':lapsing', text(at), key)
end

local function hand_key(base, S, worker, life)
  return base .. ':hand:' .. S.epoch .. ':' .. worker .. ':' .. life
end

-- Tokens of a worker that is gone: destroyed, not returned, for perhaps they were spent.
local function lapse(base, S, users, key)
  local held = server.call('HRANDFIELD', key, MOST_SWEPT, 'WITHVALUES')
  local names = {}
  for i = 1, #held, 2 do
    names[#names + 1] = held[i]
  end
  if #names > 0 then
    server.call('HDEL', key, unpack(names))
    fetch(users, names)
  end
  for i = 1, #held, 2 do
    local in_bank, in_spare, ready, ready_spare = struct.unpack(HAND_FORM, held[i + 1])
    S.hand = math.max(0, S.hand - (in_bank - ready) - (in_spare - ready_spare))
    local user = users.of[held[i]]
    if user then
      fill_user(S, user, now_of(S))
      user.hand = math.max(0, user.hand - (in_bank - ready))
    end
  end
  if #names < MOST_SWEPT then
    server.call('ZREM', base .. ':lapsing', key)
  end
end

local function sweep(base, S, users)
  for _, key in ipairs(server.call('ZRANGEBYSCORE', base .. ':lapsing', '-inf', text(S.clock), 'LIMIT', 0, MOST_HANDS)) do
    lapse(base, S, users, key)
  end
end

-- What was granted to requests that waited for it is spent as it arrives: of a worker that has drawn again, but for so much
-- as it says that it has in hand all the same; and of one that is gone.
local function ready_is_spent(S, W, left)
  local spent = math.max(0, W.ready - left)
  S.hand = math.max(0, S.hand - spent)
  W.held = math.max(0, W.held - spent)
  W.ready = W.ready - spent
end

local function forget(base, S, W)
  ready_is_spent(S, W, 0)
  S.promised = S.promised - W.share
  S.leases = S.leases - 1
  if W.silent_since >= 0 then
    keep_part(S, now_of(S))
    S.silent = S.silent - W.share
  else
    S.alive = S.alive - 1
  end
  server.call('HDEL', base .. ':workers', W.name)
  server.call('ZREM', base .. ':due', 'w:' .. W.name)
end

-- A worker has been silent for `hold`: perhaps it is alone, and uses its share until its lease ends.
local function silence(base, S, member)
  local W = load_worker(base, string.sub(member, 3))
  if W and W.silent_since < 0 then
    ready_is_spent(S, W, 0)
    W.silent_since, W.held = S.clock, 0
    S.alive = S.alive - 1
    nothing_is_short(S, now_of(S))  -- what is set aside is cut down like the rest
    keep_part(S, now_of(S))
    S.silent = S.silent + W.share
    fill_system(S, 0, now_of(S))
    save_worker(base, W)
    due(base, member, W.seen + S.lease * SECOND)
  elseif W then
    forget(base, S, W)
  end
end

-- A worker whose death was told (see `bury`). Not another one that has come by the same name meanwhile.
local function burial(base, S, member)
  local name, life = string.match(member, '^b:(.-)\n(.*)$')
  local W = load_worker(base, name)
  if W and W.life == life then
    let_lapse(base, hand_key(base, S, name, life), 0)
    forget(base, S, W)
  end
  server.call('ZREM', base .. ':due', member)
end

local function happen(base, S, member)
  local kind = string.sub(member, 1, 1)
  if kind == 'w' then
    silence(base, S, member)
  elseif kind == 'b' then
    burial(base, S, member)
  else  -- nobody who holds a share of before can come any more, or nobody has come who does
    if kind == 'l' or S.came == 0 then
      keep_part(S, now_of(S))
      S.unknown = 0
    end
    server.call('ZREM', base .. ':due', member)
  end
end

-- Move the clock on to `to`, and let happen on the way what was due. Where too much was, it stops there. Returns whether
-- anything was.
local function advance(base, S, to)
  local events = server.call('ZRANGEBYSCORE', base .. ':due', '-inf', text(to), 'WITHSCORES', 'LIMIT', 0, MOST_EVENTS)
  for i = 1, #events, 2 do
    move(S, math.min(to, tonumber(events[i + 1])))
    happen(base, S, events[i])
  end
  if #events < 2 * MOST_EVENTS then
    move(S, to)
  end
  return #events > 0
end

-- Which run of which server this is: another one may have lost what was drawn last. It is asked once, for what stands here
-- is of this process alone, and not replicated.
local run
local function run_of_server()
  run = run or string.match(server.call('INFO', 'server'), 'run_id:(%w+)')
  return run
end

local function server_time()
  local time = server.call('TIME')
  return tonumber(time[1]) * SECOND + tonumber(time[2])
end

-- Rule 1. `W` is the worker as the books have it, nil for one that has just come: it takes nothing yet, for what it had in
-- hand would lapse at once where the clock is far behind and the next draw moves it on. So would its lease: returned are
-- whether anything happened, and whether the clock is behind.
local function tick(base, S, ask, W)
  local at = server_time()
  local to = S.clock + math.max(0, at - S.server)
  local behind = not W and to > S.clock + SLACK
  if W then
    to = math.min(to, math.max(S.clock, math.floor(ask.clock * SECOND + W.anchor) + SLACK))
    S.server = at
  else  -- nothing is known of its clock: the others', or its next draw, move on the rest
    to = math.min(to, S.clock + SLACK)
    S.server = at < S.server and at or S.server + (to - S.clock)
  end
  return advance(base, S, to), behind
end

-- Rule 6: the books begin anew, all banks empty, as far as anybody may use shares elsewhere not even filling.
local function begin_epoch(base, ask)
  local S = {}
  for _, name in ipairs(SYSTEM) do
    S[name] = 0
  end
  S.layout, S.run, S.terms_text = LAYOUT, run_of_server(), ''
  S.server = server_time()
  S.epoch = string.format('%.0f', S.server) .. '-' .. string.sub(S.run, 1, 8)
  S.throttled_at, S.clear_at = NEVER, NEVER
  S.unknown, S.part = WHOLE, 1
  server.call('UNLINK', base .. ':users', base .. ':workers', base .. ':due', base .. ':lapsing')
  take_terms(S, ask.terms, ask.terms_text, 0)
  if S.settle > 0 then  -- else who comes first is believed at once: see `enter`
    due(base, 's', S.settle * SECOND)
  end
  due(base, 'l', S.lease * SECOND)
  if server.call('GET', base .. ':new') then  -- its maker knows that nobody can hold a share of before
    S.unknown = 0
    server.call('UNLINK', base .. ':new')
  end
  return S
end

local function share_told(ask)
  return math.min(WHOLE, math.ceil(ask.share * WHOLE - 0.001))
end

-- A worker that the books do not have: new, or of before this epoch.
local function enter(base, S, ask)
  local W = { name = ask.worker, life = ask.life, terms_text = '', number = 0, anchor = S.clock - ask.clock * SECOND,
    seen = S.clock, share = share_told(ask), held = 0, ready = 0, alone = 0, silent_since = -1, withheld = 0 }
  if W.share > 0 then
    S.came = 1
    keep_part(S, now_of(S))
    S.unknown = math.max(0, S.unknown - W.share)
  elseif S.settle == 0 and S.came == 0 then
    S.unknown = 0
  end
  S.promised = S.promised + W.share
  S.leases, S.alive = S.leases + 1, S.alive + 1
  return W
end

-- The worker of an ask, back from silence where it was. What the ledger did not give out meanwhile, for it, may cover what it
-- tells of with several draws.
local function arrive(base, S, ask, W)
  if not W then
    W = enter(base, S, ask)
    W.withheld = math.huge  -- the epoch began with empty banks: what it did before is no debt of theirs
  elseif W.silent_since >= 0 then
    W.withheld = (S.clock - W.silent_since) / SECOND * S.threshold * W.share / WHOLE
    keep_part(S, now_of(S))
    S.silent = S.silent - W.share
    S.alive = S.alive + 1
    W.silent_since = -1
  elseif ask.epoch ~= S.epoch then  -- it has not heard of this epoch, and may have gone on alone in it
    W.withheld = 0
  end
  ready_is_spent(S, W, ask.stray)
  W.number = ask.number
  W.anchor = math.min(W.anchor, S.clock - ask.clock * SECOND)
  W.seen = S.clock
  if W.terms_text ~= ask.terms_text then
    if S.terms_text ~= ask.terms_text then
      take_terms(S, ask.terms, ask.terms_text, now_of(S))
    end
    W.terms_text = ask.terms_text
  end
  return W
end

-- A part of the whole as all others have it, as far as what they may hold leaves it; none while the clock is `behind`. The
-- books keep the greatest that the worker may hold until it says which.
local function promise(S, W, ask, behind)
  local holds = math.min(share_told(ask), W.share)
  local left = WHOLE - S.unknown - (S.promised - W.share)
  local told = behind and 0 or math.max(0, math.min(math.floor(WHOLE / S.leases), left))
  local books = math.max(holds, told)
  S.promised = S.promised + books - W.share
  W.share = books
  return told / WHOLE
end
