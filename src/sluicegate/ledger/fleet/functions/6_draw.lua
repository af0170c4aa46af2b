-- What can be called: draw, leave, look. One call of `draw` tells and takes all that a worker has to at that moment.

-- Tokens in hand are what the worker says they are; what the books have beyond that was spent, or never reached it. What
-- was `ready` is counted as spent already.
local function told_in_hand(S, W, booked, ready, held, back)
  if booked <= 0 then
    return 0, 0
  end
  local left = math.min(booked, held)
  local returned = math.min(booked - left, back)
  S.hand = math.max(0, S.hand - (booked - ready) + left)
  W.held = math.max(0, W.held - (booked - ready) + left)
  return left, returned
end

local function open_hand(base, S, ask)
  local hand = { key = hand_key(base, S, ask.worker, ask.life), names = { '' }, of = {} }
  for _, want in ipairs(ask.wants) do
    if not hand.of[want.user] then
      hand.of[want.user] = true
      hand.names[#hand.names + 1] = want.user
    end
  end
  local packed = server.call('HMGET', hand.key, unpack(hand.names))
  for i, name in ipairs(hand.names) do
    local in_bank, in_spare, ready, ready_spare = 0, 0, 0, 0
    if packed[i] then
      in_bank, in_spare, ready, ready_spare = struct.unpack(HAND_FORM, packed[i])
    end
    hand.of[name] = { bank = in_bank, spare = in_spare, ready = ready, ready_spare = ready_spare,
      booked = packed[i] and true }
  end
  return hand
end

local function save_hand(base, S, hand)
  local set, gone = {}, {}
  for _, name in ipairs(hand.names) do
    local held = hand.of[name]
    if held.bank > 0 or held.spare > 0 then
      set[#set + 1] = name
      set[#set + 1] = struct.pack(HAND_FORM, held.bank, held.spare, held.ready, held.ready_spare)
    elseif held.booked then
      gone[#gone + 1] = name
    end
  end
  if #set > 0 then
    server.call('HSET', hand.key, unpack(set))
    server.call('EXPIRE', hand.key, math.ceil(S.lease + S.hold) + 1)
  end
  if #gone > 0 then
    server.call('HDEL', hand.key, unpack(gone))
  end
end

-- Requests are charged some time after they came. What a full bank would have gained meanwhile is not lost: up to so many
-- seconds for those that were served then, and for those that wait for this draw.
local LATE, WAITING = 0.25, 0.05

-- The bank as it would be without its depth since the first of those requests came.
local function as_of_their_coming(S, user, want, longest, now)
  local since = math.max(user.filled_at, now - math.min(want.age, longest))
  user.level, user.filled_at = level_at(S, user, since) + (now - since) * user.allocation, now
end

-- Tokens that come back: of the bank, and of the spare, which go to the pool while something is set aside.
local function take_back(S, user, returned, spare_returned, now)
  user.level = user.level + returned
  S.above = math.min(S.deepest, S.above + returned)
  if spare_returned > 0 and S.shared == 1 then
    spare_returned = math.max(0, math.min(spare_returned, room(S, now) - math.max(0, S.system)))
    S.pool = S.pool + spare_returned
    if S.fair == 1 and counts(S, user) then
      stand(S, user, user.mark - spare_returned / user.share, user.last_weight, FLOWS)
    end
  else
    returned = returned + spare_returned
    spare_returned = 0
  end
  back_to_system(S, returned, now)
  S.offered = math.min(most_offered(S, now), S.offered + returned + spare_returned)
end

-- What happened since the last draw, of one User. Backs come first: they may be what somebody waits for.
local function tell(S, W, user, want, held, now)
  local bank, spare, charged = held.bank, held.spare, want.late + want.alone
  if charged > 0 then
    as_of_their_coming(S, user, want, LATE, now)
  elseif bank > 0 then
    fill_user(S, user, now)
  end
  local returned, spare_returned
  held.bank, returned = told_in_hand(S, W, bank, held.ready, want.held, want.back)
  held.spare, spare_returned = told_in_hand(S, W, spare, held.ready_spare, want.excess_held, want.excess_back)
  user.hand = math.max(0, user.hand - (bank - held.ready) + held.bank)
  held.ready, held.ready_spare = 0, 0
  if charged > 0 then
    user.level = math.max(0, math.min(user.level - charged, user.depth - user.hand))
  end
  if returned + spare_returned > 0 then
    take_back(S, user, returned, spare_returned, now)
  end
end

local function tell_offered(S, W, ask, held, now)
  local returned
  held.bank, returned = told_in_hand(S, W, held.bank, 0, ask.offered_held, ask.offered_back)
  back_to_system(S, returned + ask.unsent, now)
  S.offered = math.min(most_offered(S, now), S.offered + returned)
end

-- Requests that were offered without a token, and what was admitted while alone beyond what was withheld for it.
local function charge(S, W, ask, now)
  local alone = 0
  for _, want in ipairs(ask.wants) do
    alone = alone + want.alone
  end
  W.alone = W.alone + alone
  local covered = math.min(alone, W.withheld)
  W.withheld = alone > 0 and W.withheld - covered or 0  -- it has more to tell as long as it tells anything
  alone = alone - covered
  if ask.owed + alone > 0 then
    charge_offered(S, ask.owed + alone, now)
  end
  charge_banks(S, alone)
  if ask.throttled == 1 then
    throttled(S, now)
  end
end

local function serve(S, W, user, want, held, now, budget)
  local bank, spare, ready, ready_spare = 0, 0, 0, 0
  local waiting, depth = want.waiting, user.depth
  if waiting > 0 and want.age > 0 and depth > 0 then
    as_of_their_coming(S, user, want, WAITING, now)
    user.depth = math.max(depth, user.level + user.hand)
  end
  while waiting >= want.unit - EPSILON and budget > 0 do
    budget = budget - 1
    local of_bank, of_spare = decide(S, user, want.unit, want.reserve, now)
    S.hand = S.hand + of_bank + of_spare
    ready, ready_spare = ready + of_bank, ready_spare + of_spare
    waiting = waiting - want.unit
  end
  user.depth = depth
  local ahead = want.ahead > 0 and draw_ahead(S, user, want, now) or 0
  S.hand, user.hand, bank = S.hand + ahead, user.hand + ahead, bank + ahead
  local excess
  excess, budget = draw_excess(S, user, want, now, budget)
  S.hand, spare = S.hand + excess, ready_spare + excess
  hear_of(S, user, want, excess, now)
  -- What is `ready` is spent as it arrives: until it is told as held, a full bank need not make room for it.
  held.bank, held.spare = held.bank + ready + bank, held.spare + spare
  held.ready, held.ready_spare = held.ready + ready, held.ready_spare + ready_spare
  W.held, W.ready = W.held + ready + bank + spare, W.ready + ready + ready_spare
  return ready + bank, spare, budget
end

local MOST_UNITS = 20000  -- requests decided in one call: some hundredths of a second

local function pace_of(S)
  if S.pace > 0 then
    return S.pace
  end
  return math.min(MOST, S.depth / S.burst / math.max(S.shares, EPSILON))
end

local function age(S, at)
  return text(math.max(0, S.clock - at) / SECOND)
end

local function answer(S, W, ask, offered, told, results)
  settle(S, now_of(S))
  local out = { FORM, S.epoch, text(ask.number), text(offered), text(S.offered), text(S.active), age(S, S.since),
    text(told), text(S.leases), text(fill_part(S)), text(pace_of(S)), text(#ask.wants) }
  local rows = {}
  for i, got in ipairs(results) do
    local user = got.user
    rows[i] = struct.pack(GIVEN_FORM, got.bank, got.spare, level_at(S, user, now_of(S)),
      math.max(0, user.hand + got.held.ready - got.held.bank), credit_of(S, user), user.demand)
  end
  out[#out + 1] = table.concat(rows)
  return out
end

-- The books as this ask finds them: those of an epoch that is over are begun anew, and time has gone on.
local function open(base, ask, users)
  local S = load_system(base)
  if not S or S.run ~= run_of_server() then
    S = begin_epoch(base, ask)
  end
  local W = load_worker(base, ask.worker)
  if W and W.life == ask.life and ask.number <= W.number then
    error({ refused = 'STALE draw ' .. ask.number })
  end
  if W and W.life ~= ask.life then  -- it is dead: there is another one of its name
    let_lapse(base, hand_key(base, S, W.name, W.life), 0)
    forget(base, S, W)
    W = nil
  end
  local happened, behind = tick(base, S, ask, W)
  if happened then
    W = load_worker(base, ask.worker)  -- it may have been silent, or its lease may have ended
  end
  sweep(base, S, users)
  return S, W, behind
end

-- Tokens of an epoch that is over.
local function hold_nothing(ask)
  ask.offered_held, ask.offered_back, ask.unsent = 0, 0, 0
  for _, want in ipairs(ask.wants) do
    want.held, want.back, want.excess_held, want.excess_back = 0, 0, 0, 0
  end
end

local function draw(base, args, leaving)
  local ask = read_ask(args)
  local users = open_users(base)
  local S, W, behind = open(base, ask, users)
  local takes = W ~= nil and not leaving  -- rule 1: a newcomer's first draw is to be known
  W = arrive(base, S, ask, W)
  if ask.epoch ~= S.epoch then
    hold_nothing(ask)
  end
  local now = now_of(S)
  local hand = open_hand(base, S, ask)
  fetch(users, hand.names)
  tell_offered(S, W, ask, hand.of[''], now)
  local accounts, told = {}, {}
  for i, want in ipairs(ask.wants) do
    accounts[i] = account(S, users, want, now)
    if not told[want.user] then
      told[want.user] = true
      tell(S, W, accounts[i], want, hand.of[want.user], now)
    end
  end
  charge(S, W, ask, now)
  local results, budget = {}, MOST_UNITS
  for i, want in ipairs(ask.wants) do
    local got = { user = accounts[i], held = hand.of[want.user] }
    if takes then
      got.bank, got.spare, budget = serve(S, W, got.user, want, got.held, now, budget)
    else
      got.bank, got.spare = 0, 0
    end
    results[i] = got
  end
  local offered = takes and draw_offered(S, ask.offered, now) or 0
  hand.of[''].bank = hand.of[''].bank + offered
  W.held = W.held + offered
  local share = promise(S, W, ask, behind)
  save_hand(base, S, hand)
  local out = answer(S, W, ask, offered, share, results)
  save_users(users)
  if leaving then
    let_lapse(base, hand.key, 0)
    forget(base, S, W)
  else
    save_worker(base, W)
    local expires = S.clock + S.hold * SECOND
    due(base, 'w:' .. W.name, expires)
    let_lapse(base, hand.key, expires + SLACK)  -- the worker's own clock may be so much behind: see `tick`
  end
  save_system(base, S)
  return out
end

-- Who started a worker tells that it is dead: its tokens lapse, and its share is free, now and not when its lease ends.
-- Now is where the server's clock is. The ledger's gets there with the next draw, and until then the banks fill as slowly
-- as that share demands.
local function bury(base, args)
  if args[1] ~= FORM or #args ~= 2 then
    malformed('form')
  end
  local name = word('worker', args[2])
  local S = load_system(base)
  local W = S and S.run == run_of_server() and load_worker(base, name)
  if W then
    due(base, 'b:' .. name .. '\n' .. W.life, S.clock + math.max(0, server_time() - S.server))
  end
  return { FORM, W and '1' or '0' }
end

local function look(base)
  local S = load_system(base)
  if not S then
    return { FORM, '', '0', '0', '0', '0', '0', '0', '0', '0' }
  end
  local since = math.max(0, server_time() - S.server)  -- the clock stands where the last draw has left it
  local fill = fill_part(S)
  local gained = math.min(since / SECOND, S.hold) * fill * S.threshold
  local out = { FORM, S.epoch, text(S.active), age(S, S.since - since), text(math.min(most_offered(S, now_of(S)), S.offered + gained)),
    text(math.min(room(S, now_of(S)), S.system + gained)), text(S.pool), text(S.hand), text(fill), '0' }
  local workers = server.call('HGETALL', base .. ':workers')
  for i = 1, #workers, 2 do
    local W = unpacked(WORKER, workers[i + 1])
    out[#out + 1] = workers[i]
    out[#out + 1] = age(S, W.seen - since)
    out[#out + 1] = text(W.share / WHOLE)
    out[#out + 1] = text(math.max(0, (W.seen - S.clock - since) / SECOND + S.lease))
    out[#out + 1] = text(W.silent_since < 0 and W.held or 0)
    out[#out + 1] = text(W.alone)
  end
  out[10] = text(#workers / 2)
  return out
end

-- An error that was meant becomes an error reply; any other one is told as it is.
local function answered(call)
  return function(keys, args)
    local fine, result = pcall(call, keys[1], args)
    if fine then
      return result
    end
    if type(result) == 'table' and result.refused then
      return server.error_reply(result.refused)
    end
    return server.error_reply('FAULT ' .. tostring(type(result) == 'table' and result.err or result))
  end
end

server.register_function('@NAME@_draw', answered(function(base, args) return draw(base, args, false) end))
server.register_function('@NAME@_leave', answered(function(base, args) return draw(base, args, true) end))
server.register_function('@NAME@_bury', answered(bury))
server.register_function { function_name = '@NAME@_look', callback = answered(look), flags = { 'no-writes' } }
